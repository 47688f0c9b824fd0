"""Flow runs end in words, and Python callers get the flow's result or its error as ever."""

import errno
import os
from collections.abc import Iterator
from typing import Any

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings
from servers import prefect_server

from flows.display.states import refusals_are, refused_by_gate
from ml.core.errors import UserError

pytestmark = pytest.mark.full


@flow
@refusals_are("Refused input")
def refuse(words: str) -> None:
    """Refuses its input."""
    raise UserError(words)


@flow
@refusals_are("Refused input")
def stand_still() -> None:
    """Meets an outage."""
    try:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise UserError("make room") from error


@flow
def judge() -> Any:
    """Returns what the gate refused."""
    return refused_by_gate({"passed": False}, "No gain\x1b[31m")


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with (
        prefect_server(tmp_path_factory.mktemp("prefect")) as address,
        temporary_settings({PREFECT_API_URL: address}),
    ):
        yield


def test_what_the_gate_refused_completes_in_its_name_and_the_caller_gets_the_result() -> None:
    assert judge() == {"passed": False}
    state: Any = judge(return_state=True)
    assert (state.type.value, state.name) == ("COMPLETED", "Gate refused")
    assert state.message == r"No gain\x1b[31m"


def test_a_refusal_is_no_failure_and_the_caller_gets_the_error() -> None:
    with pytest.raises(UserError, match="no such shop"):
        refuse("no such shop")
    state: Any = refuse("x" * 5000, return_state=True)
    assert (state.type.value, state.name) == ("CANCELLED", "Refused input")
    assert state.message == "x" * 1000


def test_an_outage_stays_a_failure() -> None:
    state: Any = stand_still(return_state=True)
    assert (state.type.value, state.name) == ("FAILED", "Failed")
