"""States of flow runs in words: what Prefect's pages and lists say of a run at first sight."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed

from flows.local.outages import outage
from ml.core.errors import UserError, visible

Run = TypeVar("Run", bound=Callable[..., Any])
LONGEST = 1000  # characters of a state's message; the artifact `refusal` holds all


def refusals_are(name: str) -> Callable[[Run], Run]:
    """Lets a flow or task that refuses its input end in a state of this name, not in a failure.

    The state is of the type CANCELLED: nothing broke and nothing was made. A Python caller gets the
    UserError as before. An outage stays a failure, since the same run can succeed later.
    """

    def decorate(run: Run) -> Run:
        @wraps(run)
        def decorated(*arguments: Any, **named: Any) -> Any:
            try:
                return run(*arguments, **named)
            except UserError as refusal:
                if outage(refusal):
                    raise
                words = visible(str(refusal))[:LONGEST]
                return Cancelled(name=name, message=words, data=refusal)

        return cast(Run, decorated)

    return decorate


def refused_by_gate(result: dict[str, Any], reasons: str) -> Any:
    """Returns a completed state that says that the gate refused; its result is the flow's.

    Args:
        result: of the flow, which a Python caller gets.
        reasons: what the gate found wrong, in words.
    """
    return Completed(name="Gate refused", message=visible(reasons)[:LONGEST], data=result)


def rename(state: State[Any], name: str) -> None:
    """Gives the state of a flow run another name, if it is still in it; type and details stay."""
    renamed = State[Any](type=state.type, name=name, state_details=state.state_details)
    run = state.state_details.flow_run_id
    assert run is not None
    with get_client(sync_client=True) as client:
        now = client.read_flow_run(run).state
        if now and now.id == state.id:  # nobody has resumed the run meanwhile
            client.set_flow_run_state(run, renamed, force=True)
