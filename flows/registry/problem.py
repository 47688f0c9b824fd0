"""A state of the registry that people have made by hand, and that somebody should mend."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A state of the registry that only people, or a command that died, can have made.

    Attributes:
        state: what is so, in plain words.
        version: URI of the version or model that it is about; empty if it is about none.
        mend: what to do, with the command.
    """

    state: str
    version: str
    mend: str

    def __str__(self) -> str:
        """Returns state and mend as one sentence."""
        return f"{self.state}: {self.mend}"
