"""The training history: a CSV file that grows by a line an epoch and can be followed live."""

import csv
from pathlib import Path

Row = dict[str, int | float | None]


class History:
    """Writes a row for each epoch. It holds no times, so that equal trainings write equal bytes.

    Args:
        path: the file; it is written anew.
        columns: names of the columns.
        rows: of the epochs before an interruption, which are written first.

    Attributes:
        rows: all rows so far.
    """

    def __init__(self, path: Path, columns: list[str], rows: list[Row]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows: list[Row] = []
        self.file = path.open("w", newline="", encoding="utf-8", buffering=1)
        self.writer = csv.DictWriter(self.file, columns, lineterminator="\n")
        self.writer.writeheader()
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Appends a row; None is an empty cell."""
        self.rows.append(row)
        self.writer.writerow(row)
