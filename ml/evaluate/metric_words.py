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
