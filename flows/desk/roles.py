"""Who may do what at the desk: roles of people, from a YAML file."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.registry.people import folded
from ml.core.errors import UserError
from ml.core.reasons import reason

Role = Literal["viewer", "annotator", "releaser"]
ROLES: tuple[Role, ...] = ("viewer", "annotator", "releaser")


class Roles(BaseModel):
    """The roles of people; whoever has a role is a viewer as well.

    Attributes:
        people: names → their roles. Names that people cannot tell apart are one name.
        others: roles of everybody else who gives a name.
    """

    model_config = ConfigDict(extra="forbid")

    people: dict[str, list[Role]] = Field(default_factory=dict)
    others: list[Role] = ["viewer"]

    def of(self, name: str) -> frozenset[Role]:
        """Returns the roles of a person; none: this person may not even look."""
        named = {folded(one): roles for one, roles in self.people.items()}
        roles = named.get(folded(name), self.others)
        return frozenset(roles) | ({"viewer"} if roles else set())


EVERYBODY = Roles(others=list(ROLES))  # on one's own machine


def read_roles(file: Path) -> Roles:
    """Reads a file of roles.

    Raises:
        UserError: it cannot be read, or it holds something else.
    """
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        roles = Roles.model_validate({} if found is None else found)
    except OSError as error:
        raise UserError(f"the file of roles '{file}' cannot be read: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"the file of roles '{file}' is no text in UTF-8") from error
    except yaml.YAMLError as error:
        raise UserError(f"the file of roles '{file}' is no YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise UserError(
            f"the file of roles '{file}', {where}: {first['msg']}; write for instance "
            "`people: {Ada: [releaser, annotator]}` and `others: [viewer]`"
        ) from error
    twice = len({folded(one) for one in roles.people}) < len(roles.people)
    if twice:
        raise UserError(f"the file of roles '{file}' names a person twice: keep one of the entries")
    return roles
