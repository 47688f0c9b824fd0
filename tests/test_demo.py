"""The demo tells nine steps with commands that can be copied, whatever the gate decides."""

import io
import shlex
from typing import Any

import pytest
from rich.console import Console
from typer.main import get_command

from flows.cli import app
from flows.demo import SHOP, STEPS, replaced_another, tell, time_left
from ml.core.errors import UserError


class Registry:
    """A made-up registry, of which the gate passes the candidates of these numbers."""

    def __init__(self, *passed: int) -> None:
        self.passed, self.candidates, self.production = passed, 0, list[dict[str, str]]()
        self.champion: str | None = None
        self.ran: list[tuple[str, ...]] = []

    def run(self, *command: str) -> bool:
        self.ran.append(command)
        if command[0] == "retrain":
            self.candidates += 1
        if command[0] == "promote":
            number = str(len(self.production) + 1)
            replaced = self.champion or "none"
            self.production.insert(0, {"version": number, "replaced": replaced})
            self.champion = number
        if command[0] == "rollback":
            self.champion = self.production[0]["replaced"]
        return True

    def look(self) -> dict[str, Any]:
        newest = self.candidates
        command = "variants approve …" if newest in self.passed else ""
        pending = [{"version": str(newest), "command": command}]
        if self.ran and self.ran[-1][0] == "promote":
            pending = []
        found = {"challenger": str(newest), "champion": self.champion, "pending": pending}
        return found | {"production": self.production}


def told(registry: Registry, made: list[str] | None = None) -> str:
    output = io.StringIO()
    screen = Console(file=output, width=80, highlight=False)
    tell(STEPS, registry.run, registry.look, made or [], screen)
    return output.getvalue()


def test_the_story_promotes_two_models_refuses_one_rolls_back_and_groups() -> None:
    registry = Registry(1, 2)
    story = told(registry)
    names = [command[0] for command in registry.ran]
    promote = ["approve", "promote"]
    first, second = ["generate", "retrain", *promote], ["generate", "retrain", *promote]
    assert names == [*first, *second, "group", "retrain", "rollback", "status", "history"]
    assert registry.champion == "1"
    for number in range(1, 10):
        assert f"step {number} of 9 · about " in story
    shown = [line.strip() for line in story.splitlines() if line.startswith("    ")]
    assert [tuple(shlex.split(line)[1:]) for line in shown] == registry.ran


def test_a_story_in_which_the_gate_refuses_goes_on_and_says_so() -> None:
    story = " ".join(told(Registry(1)).split())
    assert "does not wait for anybody: the gate refused it" in story
    assert "there is none to go back to" in story
    with pytest.raises(UserError, match="nothing serves"):
        told(Registry())


def test_a_story_stops_at_a_command_that_fails_and_names_it() -> None:
    class Failing(Registry):
        def run(self, *command: str) -> bool:
            return super().run(*command) and command[0] != "promote"

    registry = Failing(1, 2)
    with pytest.raises(UserError, match=r"stopped at `\S*variants promote @challenger --by Ada`"):
        told(registry)


def test_a_shop_that_an_earlier_demo_made_is_not_made_again() -> None:
    registry = Registry(1, 2)
    assert "It is there already." in told(registry, [SHOP])
    assert [command[0] for command in registry.ran].count("generate") == 1


def test_nothing_is_rolled_back_twice() -> None:
    registry = Registry(1, 2)
    told(registry)
    assert not replaced_another(registry.look())


def test_the_time_that_is_left_follows_the_pace_of_the_machine() -> None:
    whole = sum(step.minutes for step in STEPS)
    assert whole <= 10
    assert time_left(STEPS, 1, 0, 0) == pytest.approx(whole)
    rest = sum(step.minutes for step in STEPS[2:])
    assert time_left(STEPS, 3, 60 * 2 * 1.4, 1.4) == pytest.approx(2 * rest)  # half as fast
    assert time_left(STEPS, 9, 1, 1) == 1


def test_every_command_of_the_story_is_one_of_variants_with_options_that_it_has() -> None:
    program = get_command(app)
    for command in (one for step in STEPS for one in step.commands):
        found = program.commands[command[0]]  # type: ignore[attr-defined]
        options = {name for param in found.params for name in param.opts}
        assert {word for word in command if word.startswith("--")} <= options
