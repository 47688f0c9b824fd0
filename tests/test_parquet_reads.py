"""No command dies at its end for having read Parquet."""

import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

from ml.core.files import read_table, write_table

# These let threads of Arrow's read from a Python file; one that still does so when the process
# ends aborts it (apache/arrow issues 34314 and 50482).
UNSAFE = re.compile(r"\bpd\.read_parquet\(|\bpq\.read_table\(|ParquetFile\(\s*(io\.)?BytesIO")


@pytest.mark.parametrize("package", ["flows", "ml", "mlflow", "benchmarks"])
def test_nothing_lets_arrow_s_threads_read_python_files(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = [str(one) for one in files if UNSAFE.search(one.read_text(encoding="utf-8"))]
    assert not found, "read with pq.ParquetFile, from a path or from pa.BufferReader"


def test_a_folder_s_name_adds_no_column_to_a_table_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "brand=Harbour"
    folder.mkdir()
    write_table(folder / "table.parquet", pd.DataFrame({"product_id": ["1", None]}))
    table = read_table(folder / "table.parquet")
    assert list(table.columns) == ["product_id"]
    assert table["product_id"].isna().tolist() == [False, True]
