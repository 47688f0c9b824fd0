"""The words of every reported metric; who only names metrics needs no code that computes."""

Interval = dict[str, float | None]  # "value", "low" and "high"; None where undefined

METRICS = {  # name of every reported metric, in order → its description
    "block_ap": "average precision over block pairs",
    "block_auc": "ROC AUC over block pairs",
    "hard_ap": "average precision over annotated pairs",
    "hard_auc": "ROC AUC over annotated pairs",
    "mean_ap": "average precision of the ranking of a block by a product",
    "recall_at_1": "most similar product of the block is a variant",
    "tpr_at_1_fpr": "variants found at 1 % false positives (block pairs)",
    "ari": "adjusted Rand index of the groups",
    "fms": "Fowlkes-Mallows score of the groups",
    "nmi": "normalised mutual information (near 1 for any fine grouping)",
    "cgacc": "designs recovered exactly",
    "cg_precision": "groups that are exactly a design",
}

COMPLETE_METRICS = {  # name of every metric of complete blocks, in order → its description
    "published_group_precision": "published groups that hold one design only",
    "published_designs_exact": "designs of two or more that are exactly a published group",
    "published_designs_joined": "designs of two or more that lie whole in a published group",
    "published_pair_recall": "pairs of variants that are in a published group",
    "group_precision": "groups of two or more products that hold one design only",
    "designs_exact": "designs of two or more products that are exactly one group",
    "designs_joined": "designs of two or more products whose products are all in one group",
    "pair_precision": "pairs of products of one group that are variants",
    "pair_recall": "pairs of variants that are in one group",
    "bcubed_precision": "of a product's group, the share that is of its design (B-cubed)",
    "bcubed_recall": "of a product's design, the share that is in its group (B-cubed)",
    "block_ap": "average precision over all pairs",
    "ece": "expected calibration error of the score over all pairs, 0 at best",
}

# Block AP over the pairs of complete blocks, where it stands beside metrics of annotated pairs.
COMPLETE_BLOCK_AP = "block_ap_complete"
