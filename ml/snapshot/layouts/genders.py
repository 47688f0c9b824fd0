"""The words for whom a product is made, in the words of a shop's catalogue."""

import re

WORDS = {
    "Women": ("women", "woman", "female", "lady", "ladies", "ladieswear"),
    "Men": ("men", "man", "male", "menswear"),
    "Unisex": ("unisex",),
    "Girls": ("girl",),
    "Boys": ("boy",),
    "Kids": ("kid", "child", "children", "baby", "toddler", "young"),
}
GENDERS = {word: gender for gender, words in WORDS.items() for word in words}


def gender_in(words: str | None) -> str | None:
    """Returns the gender that some words name: the first one, or None if none is named.

    A word may end in s or 's.
    """
    for word in re.findall(r"[a-z]+", (words or "").casefold()):
        gender = GENDERS.get(word) or GENDERS.get(word.removesuffix("s"))
        if gender is not None:
            return gender
    return None
