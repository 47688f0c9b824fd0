"""The ids of groups: opaque and never reused.

Ids keep Google's rules for `item_group_id`: at most 50 ASCII characters, and no two differ by case
alone (https://support.google.com/merchants/answer/6324507).
"""

import hashlib
from base64 import b32encode

LENGTH = 20  # characters: "g", and 95 bits of a hash


def new_id(predecessor: str, members: list[str]) -> str:
    """Returns the id of a group that is opened: the same input gives the same id.

    Args:
        predecessor: names the version before, and no other one in the life of the catalogue. So the
            same products, grouped again after their group was retired, get another id.
        members: product ids of the group, at least one.
    """
    named = "\0".join([predecessor, *sorted(members)]).encode("utf-8", "surrogatepass")
    return "g" + b32encode(hashlib.sha256(named).digest()).decode().lower()[: LENGTH - 1]
