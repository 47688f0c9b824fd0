"""The words for whom a product is made, in the words of a shop's catalogue."""

import re

WORDS = {
    "Women": ("women", "womens", "woman", "female", "ladies", "ladieswear", "lady"),
    "Men": ("men", "mens", "man", "male", "menswear"),
    "Unisex": ("unisex",),
    "Girls": ("girl", "girls"),
    "Boys": ("boy", "boys"),
    "Kids": ("kid", "kids", "child", "children", "childrens", "baby", "toddler", "young"),
}
GENDERS = {word: gender for gender, words in WORDS.items() for word in words}


def gender_in(words: str | None) -> str | None:
    """Returns the gender that some words name: the first one, or None if none is named."""
    found = (GENDERS.get(word) for word in re.findall(r"[a-z]+", plain(words or "")))
    return next(filter(None, found), None)


def plain(words: str) -> str:
    """Returns words in lower case, with women's as womens."""
    return words.casefold().replace("'", "").replace("’", "")
