"""How a desk is run: who is let in, by which names it is reached, and what it refuses."""

from dataclasses import dataclass, field

from flows.desk.roles import EVERYBODY, Roles


@dataclass(frozen=True)
class Settings:
    """Settings of a desk.

    Attributes:
        roles: of people.
        user_header: name of the header in which a proxy in front says who asks; empty: people
            give their names themselves, once, and a signed cookie keeps it.
        hosts: names under which people reach the desk. A page of another site that has its own name
            point at this machine is refused by them (DNS rebinding).
        body_bytes: of a request, at most.
        rate: requests of one person or address, in the words of the package `limits`.
    """

    roles: Roles = field(default_factory=lambda: EVERYBODY)
    user_header: str = ""
    hosts: list[str] = field(default_factory=lambda: ["127.0.0.1", "localhost", "[::1]"])
    body_bytes: int = 64_000
    rate: str = "1200/minute"
