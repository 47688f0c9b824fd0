"""Every training method has one form, computes what its source says, and learns."""

import copy
import importlib
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import ROOT, SMALL, set_params
from lightly.loss import NTXentLoss
from tiny import random_views, tiny_encoder
from torch import nn
from torch.nn import functional

import ml.prepare.stage
import ml.train.stage
import ml.validate.stage
from ml.core.device import exact
from ml.core.errors import UserError
from ml.core.files import read_table
from ml.data.annotations import build_annotations
from ml.model.embedding import embed_pictures, map_pictures, set_whitening
from ml.model.encoder import load_encoder
from ml.snapshot.stage import import_shop
from ml.synthetic import generate_shop
from ml.train.augment import recolour
from ml.train.batches import AnnotatedBatches, Batches, VariantBatches
from ml.train.methods import TRAINING_METHODS, Supervision, TrainingMethod
from ml.train.methods.agreement import agreement
from ml.train.methods.momentum import follow, momentum_copy
from ml.train.methods.queue import KeyQueue
from ml.train.model_selection import DevCurve
from ml.train.params import load_train_params
from ml.train.prefetch import prefetch
from ml.train.train_split import TrainSplit
from ml.train.trainer import Trainer, parameter_groups


def method(name: str) -> TrainingMethod:
    """A method with the params of params.yaml and a tiny encoder."""
    params = getattr(load_train_params(ROOT / "params.yaml"), name)
    return TRAINING_METHODS[name](tiny_encoder(), params)


def views(count: int = 4, size: int = 64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    first, second = random_views(count, size)
    return first, second, torch.tensor([0, 0, 2, 3])[:count]


@pytest.mark.parametrize("name", sorted(TRAINING_METHODS))
def test_a_step_of_every_method_gives_a_scalar_loss_and_gradients_that_reach_its_encoder(
    name: str,
) -> None:
    made = method(name)
    loss, accuracy = made(*views())
    assert loss.shape == accuracy.shape == ()
    assert 0 <= float(accuracy) <= 1
    loss.backward()
    assert any(
        value.grad is not None and float(value.grad.abs().sum()) > 0
        for value in made.encoder.parameters()
    )
    made.on_step_end()


@pytest.mark.parametrize("name", sorted(TRAINING_METHODS))
def test_momentum_copies_never_get_gradients_and_every_state_is_in_the_checkpoint(
    name: str,
) -> None:
    made = method(name)
    for _ in range(2):
        loss, _ = made(*views())
        loss.backward()
        made.on_step_end()
    still = [value for value in made.parameters() if not value.requires_grad]
    assert all(value.grad is None for value in still)
    other = method(name)
    other.load_state_dict(made.state_dict())
    torch.manual_seed(5)
    expected = made(*views())[0]
    torch.manual_seed(5)
    torch.testing.assert_close(other(*views())[0], expected)


def test_the_loss_against_the_queue_is_lightlys_ntxent_with_a_memory_bank() -> None:
    torch.manual_seed(0)
    queue = KeyQueue(size=16, parts=1, width=8)
    peer = NTXentLoss(temperature=0.2, memory_bank_size=(16, 8))
    peer.memory_bank.bank.copy_(queue.keys[:, 0])
    peer.memory_bank.bank_ptr.zero_()
    for step in range(6):  # the queue goes round more than once
        queries = torch.randn(
            4, 8, requires_grad=True
        )  # lightly's loss normalises what it is given
        keys = functional.normalize(torch.randn(4, 8), dim=1)
        twin = queries.detach().clone().requires_grad_()
        unit = functional.normalize(queries, dim=1).unsqueeze(1)
        ours, _ = queue.info_nce(unit, keys.unsqueeze(1), torch.arange(4) + 10 * step, 0.2)
        theirs = peer(twin, keys)
        torch.testing.assert_close(ours, theirs)
        ours.backward()
        theirs.backward()
        torch.testing.assert_close(queries.grad, twin.grad)
        queue.push(keys.unsqueeze(1), torch.arange(4) + 10 * step)
        torch.testing.assert_close(queue.keys[:, 0], peer.memory_bank.bank)


def test_the_gradient_of_the_queue_loss_is_right_to_numerical_precision() -> None:
    torch.manual_seed(0)
    queue = KeyQueue(size=6, parts=2, width=4).double()
    keys = functional.normalize(torch.randn(3, 2, 4, dtype=torch.double), dim=2)
    queries = torch.randn(3, 2, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda rows: queue.info_nce(rows, keys, torch.arange(3), 0.5)[0], (queries,)
    )


def test_keys_of_the_same_design_are_no_negatives() -> None:
    queue = KeyQueue(size=4, parts=1, width=8)
    keys = functional.normalize(torch.randn(4, 1, 8), dim=2)
    queue.push(keys, torch.tensor([7, 7, 7, 7]))
    loss, accuracy = queue.info_nce(keys[:1], keys[1:2], torch.tensor([7]), 0.1)
    assert float(loss) == pytest.approx(0, abs=1e-6)  # nothing is left to be told apart from
    assert float(accuracy) == 1
    assert float(queue.info_nce(keys[:1], keys[1:2], torch.tensor([8]), 0.1)[0]) > 0.1


def test_a_rival_counts_as_often_as_its_weight_says() -> None:
    torch.manual_seed(0)
    queue = KeyQueue(size=3, parts=1, width=8)
    keys = functional.normalize(torch.randn(3, 1, 8), dim=2)
    queue.push(keys, torch.tensor([1, 2, 3]), torch.tensor([0, 1, -1]))
    query, own = functional.normalize(torch.randn(2, 1, 1, 8), dim=3)
    twice = KeyQueue(size=4, parts=1, width=8)  # the rival's key is there as often as it counts
    twice.push(keys[[0, 0, 1, 2]], torch.tensor([1, 1, 2, 3]))
    kind = torch.tensor([0])
    weighted, _ = queue.info_nce(query, own, torch.tensor([9]), 0.1, kinds=kind, rival_weight=2.0)
    torch.testing.assert_close(weighted, twice.info_nce(query, own, torch.tensor([9]), 0.1)[0])
    plain = queue.info_nce(query, own, torch.tensor([9]), 0.1)[0]
    assert not torch.isclose(weighted, plain)
    nobodys = queue.info_nce(
        query, own, torch.tensor([9]), 0.1, kinds=torch.tensor([-1]), rival_weight=2.0
    )[0]
    torch.testing.assert_close(nobodys, plain)


def test_a_momentum_copy_follows_by_the_given_share_and_never_the_other_way() -> None:
    original = nn.Linear(3, 2)
    twin = momentum_copy(original)
    before = copy.deepcopy(twin.weight.data)
    with torch.no_grad():
        original.weight += 1
    follow([twin], [original], 0.9)
    torch.testing.assert_close(twin.weight.data, before + 0.1)
    torch.testing.assert_close(original.weight.data, before + 1)


def test_agreement_counts_rows_that_find_their_own() -> None:
    rows = torch.eye(4)
    assert float(agreement(rows, rows * 3)) == 1
    assert float(agreement(rows, rows[[1, 0, 2, 3]])) == 0.5


LEARNING = {  # colour-blind weights would leave little to learn: these still look at colour
    "prepare.side": 64,
    "train.epochs": 2,
    "train.batch": 16,
    "train.learning_rate": 0.0003,
    "train.heads_rate": 10.0,  # without it SimSiam unlearns from half of the seeds
    "train.threads": 1,
    "train.keep": "query",  # the momentum encoder needs more steps than these to follow
    "train.encoder.input": "rgb",
    "train.encoder.slices": "none",
}
RECOLOURING = {
    "train.augment.invert": 0.0,
    "train.augment.parts": 0.0,
    "train.augment.gamma": 1.5,
    "train.augment.saturation": 1.5,
}
# By how much block AP rises above that of the initial weights, at least; over two to four seeds it
# was 0.036 or more.
GAIN = 0.03
LONG_PROOFS = ("byol", "simsiam", "triplet")  # the peers' learning: in `make test-full`


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated shop, ready for training; all its brands train."""
    folder = tmp_path_factory.mktemp("methods")
    generate_shop(folder / "shop", 360, seed=0)
    import_shop(str(folder / "shop"), folder / "snapshot")
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    set_params(folder / "params.yaml", LEARNING)
    ml.validate.stage.main(
        folder / "snapshot",
        ROOT / "data/previous.json",
        ROOT / "data/gx",
        folder / "params.yaml",
        folder / "validated",
    )
    ml.prepare.stage.main(
        folder / "snapshot", folder / "validated", folder / "params.yaml", folder / "prepared"
    )
    return folder


class Shop(NamedTuple):
    """What the stage prepare left."""

    products: pd.DataFrame
    pairs: pd.DataFrame
    pictures: np.ndarray
    masks: np.ndarray


def begin(
    prepared: Path, folder: Path, changed: dict[str, object]
) -> tuple[Shop, Trainer, Batches]:
    """A training with these params changed, in which all brands train."""
    params = folder / "params.yaml"
    params.write_text((prepared / "params.yaml").read_text())
    set_params(params, changed)
    params = load_train_params(params)
    exact(params.threads)
    torch.manual_seed(params.seed)
    tables = [read_table(prepared / f"prepared/{table}.parquet") for table in ("products", "pairs")]
    shop = Shop(
        *tables, *(np.load(prepared / f"prepared/{array}.npy") for array in ("images", "masks"))
    )
    shuffle = torch.Generator().manual_seed(params.seed)
    split = TrainSplit(shop.products.assign(split="train"), shop.pairs, shop.pictures, shop.masks)
    batches = params.method_class.batches(split, params.batch, params.method_params, shuffle)
    return shop, Trainer(params, params.epochs * len(batches), shuffle), batches


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.full if name in LONG_PROOFS else [])
        for name in sorted(TRAINING_METHODS)
    ],
)
def test_every_method_learns_on_the_generated_shop(
    name: str, prepared: Path, tmp_path: Path
) -> None:
    shop, trainer, batches = begin(prepared, tmp_path, {"train.method": name})
    dev = DevCurve(shop.products.assign(split="dev"), shop.pairs, shop.pictures)

    def block_ap() -> float:
        encoder = copy.deepcopy(trainer.kept)
        set_whitening(encoder, shop.pictures[::3])
        return dev(encoder)

    curve = [block_ap()]
    for _ in range(trainer.params.epochs):
        trainer.epoch(batches, lambda count: None)
        curve.append(block_ap())
    assert max(curve[1:]) > curve[0] + GAIN, curve


@pytest.mark.parametrize("name", sorted(TRAINING_METHODS))
def test_heads_learn_at_their_own_rate_and_momentum_copies_at_none(name: str) -> None:
    made = method(name)
    groups = parameter_groups(made, 0.1, 10.0)
    # PBCNet's head stays the whitening, the triplet method has none.
    learnt = name not in ("pbcnet", "pbcnet_semi", "triplet")
    assert [group["lr"] for group in groups] == ([0.1, 1.0] if learnt else [0.1])
    assert {id(value) for value in groups[0]["params"]} == {
        id(value) for value in made.encoder.parameters()
    }
    heads = {id(value) for group in groups[1:] for value in group["params"]}
    parts = {label.split(".")[0] for label, value in made.named_parameters() if id(value) in heads}
    assert parts <= {"projection_head", "prediction_head"}, parts


def test_a_recolouring_moves_the_embedding_less_than_another_design_does(
    prepared: Path, tmp_path: Path
) -> None:
    shop, trainer, batches = begin(
        prepared, tmp_path, {"train.method": "pbcnet", "train.epochs": 1, **RECOLOURING}
    )
    before = nearer_to_itself_recoloured(trainer, shop)
    trainer.epoch(batches, lambda count: None)
    after = nearer_to_itself_recoloured(trainer, shop)
    assert after > 0.9, (before, after)
    assert after > before


def nearer_to_itself_recoloured(trainer: Trainer, shop: Shop) -> float:
    """Share of annotated products that are nearer to a recolouring of themselves than to others.

    The others are products of another design in their block.
    """
    annotations = build_annotations(shop.products, shop.pairs)
    pictures = (
        torch.from_numpy(shop.pictures[annotations.indices]).permute(0, 3, 1, 2).float() / 255
    )
    masks = torch.from_numpy(shop.masks[annotations.indices]).unsqueeze(1).float() / 255
    random = torch.Generator().manual_seed(3)
    turned = recolour(pictures, masks, trainer.params.augment, random).permute(0, 2, 3, 1)
    plain, recoloured = (
        embed_pictures(trainer.kept, crops)
        for crops in (shop.pictures[annotations.indices], (turned * 255).round().byte().numpy())
    )
    other = np.where(
        (annotations.block[:, None] == annotations.block)
        & (annotations.design[:, None] != annotations.design),
        plain @ plain.T,
        -1,
    )
    return float(((plain * recoloured).sum(axis=1) > other.max(axis=1)).mean())


@pytest.mark.full
@pytest.mark.parametrize("backbone", ["mobilenetv3_small_050", "test_vit"])
def test_compiling_the_backbone_changes_nothing_but_speed(
    backbone: str, prepared: Path, tmp_path: Path
) -> None:
    losses = []
    own = {"train.batch": 4, "train.encoder.backbone": backbone, "train.encoder.weights": "random"}
    for compiled in (False, True):
        _, trainer, batches = begin(prepared, tmp_path, {"train.compile": compiled, **own})
        trainer.module.train()
        losses.append(trainer.step(next(prefetch(batches, trainer.fabric.device)))[0])
    torch.testing.assert_close(*losses, atol=1e-3, rtol=1e-3)


def test_the_supervised_method_refuses_a_shop_without_variants_in_words(
    prepared: Path, tmp_path: Path
) -> None:
    for name in ("images.npy", "masks.npy", "products.parquet", "prepare.json"):
        (tmp_path / name).symlink_to(prepared / "prepared" / name)
    pairs = pd.read_parquet(prepared / "prepared/pairs.parquet")
    pairs[pairs["color_variants"] == 0].to_parquet(tmp_path / "pairs.parquet")
    params = tmp_path / "params.yaml"
    params.write_text((prepared / "params.yaml").read_text())
    set_params(params, {"train.method": "triplet"})
    with pytest.raises(UserError, match="annotated variants alone"):
        ml.train.stage.main(tmp_path, params, tmp_path / "trained")


@pytest.mark.parametrize("whose", ["train", "all"])
def test_the_whitening_is_fitted_on_the_pictures_that_the_params_name(
    prepared: Path, tmp_path: Path, whose: str
) -> None:
    params = tmp_path / "params.yaml"
    params.write_text((prepared / "params.yaml").read_text())
    set_params(params, {**SMALL, "train.epochs": 0, "train.whitened_on": whose})
    split = ml.train.stage.load_split(prepared / "prepared")
    ml.train.stage.main(prepared / "prepared", params, tmp_path)
    encoder = load_encoder(tmp_path)[0]
    chosen = split.indices if whose == "train" else np.arange(len(split.products))
    assert len(chosen) < len(split.products) or whose == "all"
    with torch.inference_mode():
        features = map_pictures(
            encoder, encoder.joined, encoder.joined_size, split.pictures[chosen]
        )
    assert np.allclose(encoder.center, features.mean(axis=0), atol=1e-5)


def test_params_yaml_holds_the_params_of_every_method() -> None:
    section = yaml.safe_load((ROOT / "params.yaml").read_text())["train"]
    assert set(TRAINING_METHODS) <= set(section)


NEW_METHOD = '''
"""Pulls two views of a product together, and nothing else."""

from pydantic import Field
from torch import Tensor

from ml.train.methods.agreement import agreement
from ml.train.methods.base import MethodParams, Supervision, TrainingMethod


class PullParams(MethodParams):
    """The params under `train.pull` in params.yaml."""

    strength: float = Field(gt=0)
    annotated_share: float = Field(ge=0, le=1)


class Pull(TrainingMethod):
    """The distance of two views is the loss."""

    name = "pull"
    params_class = PullParams
    supervision = Supervision.PICTURES_AND_PAIRS

    def forward(
        self, first: Tensor, second: Tensor, ids: Tensor, kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        views = [self.encoder.joined(view) for view in (first, second)]
        return self.params.strength * (views[0] - views[1]).square().mean(), agreement(*views)
'''


def test_a_new_method_is_one_file_and_a_section_of_params_yaml(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pull_method.py").write_text(NEW_METHOD)
    monkeypatch.syspath_prepend(tmp_path)
    params = tmp_path / "params.yaml"
    content = yaml.safe_load((prepared / "params.yaml").read_text())
    content["train"] |= {"method": "pull", "epochs": 1, "batch": 64}
    content["train"]["encoder"] |= {"backbone": "mobilenetv3_small_050", "weights": "random"}
    params.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="method: Input should be"):
        load_train_params(params)
    try:
        importlib.import_module("pull_method")
        with pytest.raises(UserError, match=r"train\.pull: Field required"):
            load_train_params(params)
        content["train"]["pull"] = {"strength": 2.0, "annotated_share": 0.5}
        params.write_text(yaml.safe_dump(content))
        ml.train.stage.main(prepared / "prepared", params, tmp_path / "trained")
    finally:
        TRAINING_METHODS.pop("pull", None)
        sys.modules.pop("pull_method", None)
    history = pd.read_csv(tmp_path / "trained/history.csv")
    assert history["epoch"].tolist() == [0, 1]
    assert history["loss"].iloc[1] > 0
    assert (tmp_path / "trained/encoder.safetensors").is_file()


def test_two_methods_of_one_name_are_refused() -> None:
    with pytest.raises(TypeError, match=r"'simsiam' is ml\.train\.methods\.simsiam's already"):
        type("Another", (TrainingMethod,), {"name": "simsiam", "__module__": __name__})
    assert TRAINING_METHODS["simsiam"].__module__ == "ml.train.methods.simsiam"


def test_every_method_says_what_it_learns_from_and_gets_batches_of_it(prepared: Path) -> None:
    split = ml.train.stage.load_split(prepared / "prepared")
    params = load_train_params(prepared / "params.yaml")
    random = torch.Generator().manual_seed(0)
    found = {
        name: type(one.batches(split, 16, getattr(params, name), random))
        for name, one in TRAINING_METHODS.items()
    }
    expected = {
        Supervision.PICTURES: Batches,
        Supervision.PICTURES_AND_PAIRS: VariantBatches,
        Supervision.PAIRS: AnnotatedBatches,
    }
    assert found == {name: expected[one.supervision] for name, one in TRAINING_METHODS.items()}
    assert set(found.values()) == set(expected.values())
