"""Damaged data of every layout are imported as a shop that can be opened, or refused in words."""

import gzip
import random
from pathlib import Path

import pytest
from layout_trees import Good, write_tree

from ml.core.errors import UserError
from ml.snapshot.layouts import LAYOUTS
from ml.snapshot.layouts.writing import import_layout
from ml.snapshot.shop import open_shop

PIECES = [
    *(b'"', b"'", b"\0", b"\x1b[31m", b"\n", b"\r", b"../", b"/", b"\\", b"\xff", b"\xc3", b","),
    *(b"\t", b"|", b"=", b"<", b"&", b"&#0;", b"]", b"{", b"}", b"[", b"null", b"1e999", b"9" * 40),
    *(b"\xe2\x80\x8b", b"\xc2\xa0", b"http://", b"//", b":", b"nan", b" ", b"\\ud800", b"\\u0000"),
    *(
        b"a" * 300,
        "é".encode(),
        "e\u0301".encode(),
        b";",
        b"%00",
        b"#",
        b"</item>",
        b"<!DOCTYPE a>",
    ),
]
FEED = """<rss xmlns:g="http://base.google.com/ns/1.0"><channel>{}</channel></rss>"""
ITEM = (
    "<item><g:id>{0}</g:id><title>Tee {0}</title><g:image_link>https://x/{0}.jpg</g:image_link>"
    "<g:color>c{0}</g:color><g:item_group_id>G{1}</g:item_group_id></item>"
)


def few_goods() -> list[Good]:
    """Four designs in two colours each."""
    return [
        Good(
            number,
            (number + 1) // 2,
            (number + 1) % 2,
            b"%d" % number,
            {
                "gender": "Men",
                "article_type": "Tee Shirt",
                "base_colour": ("Red", "Navy Blue")[number % 2],
                "season": "Fall",
                "title": f"Acme thing {number}",
                "brand": "Acme",
            },
        )
        for number in range(1, 9)
    ]


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Puts a piece in, takes some bytes out, changes one, repeats some, or cuts the rest off."""
    place, kind = chance.randrange(len(content) + 1), chance.random()
    if kind < 0.6:
        return content[:place] + chance.choice(PIECES) + content[place:]
    if kind < 0.75:
        return content[:place] + content[place + chance.randint(1, 20) :]
    if kind < 0.85:
        return content[:place] + bytes([chance.randrange(256)]) + content[place + 1 :]
    if kind < 0.95:
        return content[:place] + content[place : place + 200] + content[place:]
    return content[:place]


def damage(tree: Path, chance: random.Random) -> None:
    """Damages one file of tables once or more often."""
    tables = {".csv", ".tsv", ".json", ".gz", ".xml"}
    files = sorted(one for one in tree.rglob("*") if one.suffix in tables)
    kind = chance.choice(sorted({one.suffix for one in files}))
    file = chance.choice([one for one in files if one.suffix == kind])
    content = file.read_bytes()
    packed = file.suffix == ".gz" and chance.random() < 0.8
    content = gzip.decompress(content) if packed else content
    for _ in range(chance.choice((1, 1, 1, 3))):
        content = damaged(content, chance)
    file.write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize(
    "count", [10, pytest.param(300, marks=pytest.mark.full)], ids=["few", "many"]
)
@pytest.mark.parametrize("layout", [one for one in LAYOUTS if one != "deepfashion-inshop"])
def test_damaged_data_become_a_shop_or_an_error_in_words(
    layout: str, count: int, tmp_path: Path
) -> None:
    """DeepFashion is left out: it has no tables."""
    outcomes = set()
    for number in range(count):
        chance = random.Random(f"{layout} {number}")
        place = tmp_path / str(number)
        write_tree(layout, few_goods(), place / "tree", "http://127.0.0.1:9")
        if layout == "google-merchant" and number % 2:
            items = "".join(ITEM.format(one.number, one.family) for one in few_goods())
            (place / "tree/feed.xml").write_text(FEED.format(items))
            (place / "tree/feed.tsv").unlink()
        damage(place / "tree", chance)
        try:
            import_layout(layout, place / "tree", place / "shop", lambda line: None)
        except UserError:
            assert not (place / "shop").exists()
            outcomes.add("refused")
        else:
            assert len(open_shop(str(place / "shop"), log=lambda line: None).catalog)
            outcomes.add("imported")
    assert outcomes == {"refused", "imported"}
