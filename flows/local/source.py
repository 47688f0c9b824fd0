"""The source of a shop as a parameter of flows: a server stores it before any code of ours runs."""

from typing import Annotated

from pydantic import Field

from ml.core.credentials import NAMES, ODD, USER

# In any case of letters, without a flag, which not every reader of a schema knows.
_QUERY = "".join(f"[{one}{one.upper()}]" if one.isalpha() else one for one in NAMES)
# By this schema, Prefect's server refuses a flow run before it stores the run's parameters.
WITHOUT_CREDENTIALS = f"^(?!.*(?:{USER.pattern}|{ODD.pattern}|[?&;#][^?&;#=]*{_QUERY}=))"

Source = Annotated[str, Field(json_schema_extra={"pattern": WITHOUT_CREDENTIALS})]
