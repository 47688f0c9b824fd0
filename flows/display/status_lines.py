"""What `variants status` says: what serves, what waits and for which command, what is refused."""

from typing import Any

from flows.display.event_words import minute, number, serves
from flows.display.terminal import console
from ml.core.errors import visible


def print_status(result: dict[str, Any]) -> None:
    """Prints the result of `variants status` in sentences; a command stands on a line of its own.

    Args:
        result: what `flows.status.status` returns.
    """
    screen = console()

    def say(words: str, style: str = "") -> None:
        screen.print(visible(words), style=style)

    def command(words: str) -> None:
        screen.print(visible(f"    {words}"), style="bold", soft_wrap=True)

    for problem in result["problems"]:
        say(f"to mend: {problem['state']}: {problem['mend']}", "red")
    say(serves(result["serving"]))
    for one in result["pending"]:
        say(f"candidate {one['version']} {one['words']}{':' if one['command'] else '.'}")
        if one["command"]:
            command(one["command"])
    if not result["candidates"]:
        say("No candidate is registered yet. This makes one:")
        command("variants retrain --source SHOP")
    for kind, alias in (("production", "champion"), ("candidates", "challenger")):
        if result[kind]:
            say(f"\n{kind}", "bold")
        for one in result[kind]:
            say(_version(one, alias if one["version"] == result[alias] else ""))
    say("")
    for one in result["corrected"]:
        say(
            f"Of {one['of_said']} corrections and locks of the catalogue {one['catalogue']}, "
            f"{one['model']} alone would have decided {one['overruled']} otherwise."
        )
    if result["worktrees"]:
        say(f"Runs with a worktree: {', '.join(result['worktrees'])}.")
    if result["dead"]:
        say(
            f"Dead runs: {', '.join(result['dead'])}. The same `variants retrain` continues them, "
            "`variants clean` removes them."
        )
    if result["orphans"]:
        pids = ", ".join(map(str, result["orphans"]))
        say(
            f"Temporary Prefect servers of killed commands (process ids): {pids}; `variants clean` "
            "ends them."
        )
    here = result["only_here"]
    if here and here["problem"]:
        say(f"What is on this machine only is not known: {here['problem']}.", "yellow")
    elif here and (here["snapshots"] or here["models"]):
        say(
            f"On this machine only: snapshots: {here['snapshots']}, registered versions: "
            f"{here['models']}. This copies them to the DVC remote:",
            "yellow",
        )
        command("variants push")
    screen.print(visible(f"registry: {result['tracking']}"), style="dim", soft_wrap=True)


def _version(one: dict[str, Any], alias: str) -> str:
    """Returns the line of a version: number, alias, time, gate and what happened to it."""
    tags = {
        "gate": "gate {}",
        "candidate": "from candidate {}",
        "gate_champion": "compared with version {}",
        "commit": "commit {:.7}",
        "rolled_back": "rolled back: {}",
    }
    facts = [
        words.format(number(one[tag]) if tag in ("candidate", "gate_champion") else one[tag])
        for tag, words in tags.items()
        if one.get(tag, "none") != "none"
    ]
    facts += ["made from uncommitted changes"] if one.get("dirty") == "true" else []
    return f"  {one['version']} {alias:<11} {minute(one['created'])}  {', '.join(facts)}"
