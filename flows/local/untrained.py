"""First groups: a catalogue is grouped by an encoder that was never trained or registered."""

from collections.abc import Callable

import pandas as pd

from flows.local.pipeline import run_module
from flows.local.project import Project
from flows.local.scratch import scratch
from ml.core.errors import UserError
from ml.core.files import read_table, write_table
from ml.data.schema import CATALOG_COLUMNS
from ml.untrained.first_groups import worth

UNTRAINED = "untrained"  # instead of a model's URI


def caution() -> str:
    """Returns in words what the untrained encoder is and what its groups are worth."""
    return f"an untrained encoder, which is no registered model: {worth()}"


def refuse_memory(model: str, regroup: bool, new_only: bool) -> None:
    """Refuses options about remembered groups where none are remembered.

    Raises:
        UserError: first groups are asked for with such an option.
    """
    asked = {"--regroup": regroup, "--new-only": new_only}
    named = [option for option, given in asked.items() if given]
    if model == UNTRAINED and named:
        raise UserError(
            f"{' and '.join(named)} {'need' if len(named) > 1 else 'needs'} remembered groups; "
            f"those of --model {UNTRAINED} are not remembered"
        )


def group_untrained(
    project: Project, table: pd.DataFrame, log: Callable[[str], None]
) -> pd.DataFrame:
    """Returns group, score (always NaN) and problem of each product, by the untrained encoder.

    Neither MLflow nor a model of the registry is used.

    Args:
        table: product_id, image (path), brand, gender, article_type.
        log: called with each line of progress.

    Raises:
        CommandError: the encoder failed.
        UserError: the disk is full.
    """
    with scratch(project, "untrained") as folder:
        products, result = folder / "products.parquet", folder / "result.parquet"
        write_table(products, table[list(CATALOG_COLUMNS)])
        run_module(project.root, "ml.untrained", [str(products), str(result)], log)
        return read_table(result)
