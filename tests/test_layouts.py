"""Public data of each known layout become a shop, value by value, or are refused in words."""

import gzip
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT
from typer.testing import CliRunner

from flows.cli import app
from ml.core.errors import UserError
from ml.snapshot.layouts import LAYOUTS, files
from ml.snapshot.layouts.base import Product, load_layout
from ml.snapshot.layouts.genders import gender_in
from ml.snapshot.layouts.pairs import WIDEST, make_pairs
from ml.snapshot.layouts.writing import import_layout
from ml.snapshot.shop import Shop, open_shop
from ml.validate.split import split_products

Write = Callable[[dict[str, str | bytes]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a tree of files, by their paths, below the folder that it returns."""

    def tree(contents: dict[str, str | bytes]) -> Path:
        for name, content in contents.items():
            file = tmp_path / "source" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "source"

    return tree


class Result:
    """A shop that was imported from a layout.

    Attributes:
        shop: as `open_shop` reads it, without any warning but those about blank fields.
        log: the lines of the import.
        counts: what the import returned.
    """

    def __init__(self, layout: str, source: Path) -> None:
        out = source.parent / "shop"
        self.log: list[str] = []
        self.counts = import_layout(layout, source, out, self.log.append)
        warnings: list[str] = []
        self.shop: Shop = open_shop(str(out), log=warnings.append)
        assert all(" have no " in line for line in warnings), warnings
        self.said = "\n".join(self.log)

    def rows(self, *columns: str) -> list[tuple[str | None, ...]]:
        return list(self.shop.catalog[list(columns)].itertuples(index=False, name=None))

    def pairs(self) -> dict[tuple[str, str], int]:
        pairs = self.shop.pairs
        assert pairs is not None
        names = zip(pairs["left"], pairs["right"], strict=True)
        return dict(zip(names, map(int, pairs["color_variants"]), strict=True))

    def pictures(self, product: str) -> list[tuple[str, str | None, int]]:
        table = self.shop.pictures
        assert table is not None
        own = table[table["product_id"] == product]
        return list(own[["image", "role", "position"]].itertuples(index=False, name=None))


def refused(layout: str, source: Path, *words: str) -> None:
    out = source.parent / "shop"
    with pytest.raises(UserError) as caught:
        import_layout(layout, source, out, print)
    for word in words:
        assert word in str(caught.value)
    assert not out.exists()
    assert list(source.parent.glob(".shop*")) == []  # nothing half written


KAGGLE = (
    "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,"
    "productDisplayName\n"
)


def test_kaggle_titles_hold_commas_and_brands_come_from_the_products_own_files(
    write: Write,
) -> None:
    source = write(
        {
            "styles.csv": KAGGLE + "15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011,Casual,"
            "Turtle Check Men Navy Blue Shirt\n"
            "39386,Men,Apparel,Bottomwear,Jeans,Blue,Summer,2012,Casual,"
            "Peter England Men Party, Blue, Jeans\n"
            "59263,Women,Accessories,Watches,Watches,,Winter,2016,Casual,\n"
            "39403,Men,Apparel,Topwear,Shirts,Red,Fall,2011,Casual,Gone Shirt\n",
            "images/15970.jpg": b"a",
            "images/39386.jpg": b"b",
            "images/59263.jpg": b"c",
            "styles/15970.json": json.dumps({"data": {"brandName": "Turtle Wear"}}),
            "styles/59263.json": '{"data": {"brandName":',
        }
    )
    result = Result("kaggle-fashion", source)
    columns = ("product_id", "image", "brand", "gender", "article_type", "title", "base_colour")
    assert result.rows(*columns) == [
        (
            *("15970", "images/15970.jpg", "Turtle Wear", "Men", "Shirts"),
            *("Turtle Check Men Navy Blue Shirt", "Navy Blue"),
        ),
        (
            *("39386", "images/39386.jpg", "Peter", "Men", "Jeans"),
            *("Peter England Men Party, Blue, Jeans", "Blue"),
        ),
        ("59263", "images/59263.jpg", None, "Women", "Watches", None, None),
    ]
    assert result.rows("master_category", "sub_category", "season", "year", "usage")[0] == (
        "Apparel",
        "Topwear",
        "Fall",
        "2011",
        "Casual",
    )
    assert result.shop.pairs is None
    assert result.shop.pictures is None
    assert "brand of 2 products is the first word" in result.said
    assert "1 products without a picture: 39403" in result.said
    assert result.counts.products == result.counts.pictures == 3


HM = (
    "article_id,product_code,prod_name,product_type_name,index_name,index_group_name,"
    "section_name,colour_group_name\n"
)


def test_hm_ids_have_ten_digits_and_product_codes_give_pairs(write: Write) -> None:
    source = write(
        {
            "articles.csv": HM
            + '0108775015,0108775,Strap top,Vest top,Ladieswear,Ladieswear,"Ladies, Basics",Black\n'
            "108775044,108775,Strap top,Vest top,Ladieswear,Ladieswear,Ladies,White\n"
            "108775051.0,108775.0,Strap top,Vest top,Ladieswear,Ladieswear,Ladies,White\n"
            "0110065001,0110065,OP T-shirt,Vest top,Ladieswear,Ladieswear,Ladies,Black\n"
            "0111565001,0111565,Tights,Tights,Divided,Divided,Divided Basics,Blue\n"
            "0111586001,0111586,Shorts,Shorts,Sport,Sport,Mens Sport,Blue\n",
            **{
                f"images/{one[:3]}/{one}.jpg": one
                for one in (
                    *("0108775015", "0108775044", "0108775051"),
                    *("0110065001", "0111565001", "0111586001"),
                )
            },
        }
    )
    result = Result("hm", source)
    assert result.rows("product_id", "image", "gender", "article_type", "design_family") == [
        ("0108775015", "images/010/0108775015.jpg", "Women", "Vest top", "0108775"),
        ("0108775044", "images/010/0108775044.jpg", "Women", "Vest top", "0108775"),
        ("0108775051", "images/010/0108775051.jpg", "Women", "Vest top", "0108775"),
        ("0110065001", "images/011/0110065001.jpg", "Women", "Vest top", "0110065"),
        ("0111565001", "images/011/0111565001.jpg", None, "Tights", "0111565"),
        ("0111586001", "images/011/0111586001.jpg", "Men", "Shorts", "0111586"),
    ]
    assert set(result.rows("brand")) == {("H&M",)}
    assert result.rows("title", "base_colour", "section")[0] == (
        "Strap top",
        "Black",
        "Ladies, Basics",
    )
    # Two articles of one colour may be the same or differ in a print: no pair.
    assert result.pairs() == {
        ("0108775015", "0108775044"): 1,
        ("0108775015", "0108775051"): 1,
        ("0108775015", "0110065001"): 0,
    }
    assert set(result.shop.pairs["confidence"]) == {"medium"}  # type: ignore[index]
    assert set(result.shop.pairs["annotator"]) == {"hm"}  # type: ignore[index]
    assert "mended: 2 values of article_id" in result.said


def test_an_id_of_hm_that_is_no_number_is_refused_with_its_line(write: Write) -> None:
    source = write({"articles.csv": HM + "1.08775E+08,1,a,b,c,d,e,f\n", "images/x": b""})
    refused("hm", source, "line 2", "1.08775E+08")


def test_deepfashion_items_are_designs_and_views_are_pictures(write: Write) -> None:
    paths = (
        "WOMEN/Blouses_Shirts/id_00000001/02_1_front.jpg",
        "WOMEN/Blouses_Shirts/id_00000001/02_3_back.jpg",
        "WOMEN/Blouses_Shirts/id_00000001/02_2_side.jpg",
        "WOMEN/Blouses_Shirts/id_00000001/02_4_full.jpg",
        "WOMEN/Blouses_Shirts/id_00000001/02_7_additional.jpg",
        "WOMEN/Blouses_Shirts/id_00000001/03_1_front.jpg",
        "WOMEN/Blouses_Shirts/id_00000003/01_2_flat.jpg",
        "MEN/Denim/id_00000080/01_1_front.jpg",
        "MEN/Denim/id_00000080/Thumbs.db",
    )
    result = Result("deepfashion-inshop", write({f"Img/img/{one}": one for one in paths}))
    assert result.rows("product_id", "image", "brand", "gender", "article_type") == [
        (
            *("id_00000080-01", "images/MEN/Denim/id_00000080/01_1_front.jpg"),
            *(None, "Men", "Denim"),
        ),
        ("id_00000001-02", f"images/{paths[0]}", None, "Women", "Blouses_Shirts"),
        ("id_00000001-03", f"images/{paths[5]}", None, "Women", "Blouses_Shirts"),
        ("id_00000003-01", f"images/{paths[6]}", None, "Women", "Blouses_Shirts"),
    ]
    assert result.pictures("id_00000001-02") == [
        (f"images/{paths[0]}", "main", 1),
        (f"images/{paths[2]}", "side", 2),
        (f"images/{paths[1]}", "back", 3),
        (f"images/{paths[3]}", "worn", 4),
        (f"images/{paths[4]}", "detail", 5),
    ]
    assert result.pictures("id_00000001-03") == []
    assert result.pairs()["id_00000001-02", "id_00000001-03"] == 1
    assert sum(result.pairs().values()) == 1
    assert "1 files that are not named like" in result.said


def abo_listing(identity: str, **more: object) -> str:
    values = {name: [{"language_tag": "en_US", "value": one}] for name, one in more.items()}
    return json.dumps(
        {"item_id": identity, "main_image_id": f"{identity}m", "domain_name": "a.com"} | values
    )


def test_abo_listings_are_read_in_english_with_all_their_pictures(write: Write) -> None:
    german = {
        "item_id": "B1",
        "brand": [
            {"language_tag": "de_DE", "value": "Findend"},
            {"language_tag": "en_GB", "value": "find."},
        ],
        "item_name": [{"language_tag": "de_DE", "value": "Schuh \ud800 für Damen"}],
        "product_type": [{"value": "SHOES"}],
        "color": [{"language_tag": "en_GB", "value": "Schwarz", "standardized_values": ["Black"]}],
        "main_image_id": "m1",
        "other_image_id": ["o1", "unlisted", "o1"],
    }
    source = write(
        {
            "listings/metadata/listings_0.json.gz": gzip.compress(
                (json.dumps(german) + "\n\n" + abo_listing("B2", brand="AmazonBasics")).encode()
            ),
            "listings/metadata/listings_1.json": abo_listing("B1") + "\n" + abo_listing("B3"),
            "images/metadata/images.csv.gz": gzip.compress(
                b"image_id,height,width,path\nm1,10,10,aa/m1.jpg\no1,10,10,bb/o1.jpg\n"
                b"B2m,1,1,aa/B2.png\nB3m,1,1,aa/gone.jpg\n"
            ),
            "images/small/aa/m1.jpg": b"1",
            "images/small/bb/o1.jpg": b"2",
            "images/small/aa/B2.png": b"3",
        }
    )
    result = Result("abo", source)
    columns = ("product_id", "image", "brand", "gender", "article_type", "title", "base_colour")
    assert result.rows(*columns) == [
        (
            *("B1", "images/aa/m1.jpg", "find.", None, "SHOES"),
            *("Schuh \ufffd für Damen", "Schwarz"),
        ),
        ("B2", "images/aa/B2.png", "AmazonBasics", None, None, None, None),
    ]
    assert result.pictures("B1") == [
        ("images/aa/m1.jpg", "main", 1),
        ("images/bb/o1.jpg", None, 2),
    ]
    assert "1 products whose id came before: B1" in result.said
    assert "1 products without a picture: B3" in result.said
    assert "2 pictures that images.csv does not list" in result.said


MAGENTO = (
    "sku,store_view_code,attribute_set_code,product_type,categories,name,"
    "additional_attributes,base_image,additional_images,configurable_variations\n"
)


def test_magento_sizes_are_joined_and_the_parent_is_the_design(write: Write) -> None:
    category = '"Default Category/Men/Tops/Hoodies & Sweatshirts,Default Category/Men"'
    black, gray = "/m/h/mh01-black_main.jpg", "/m/h/mh01-gray_main_1.jpg"
    source = write(
        {
            "export.csv": MAGENTO
            + f'MH01-XS-Black,,Top,simple,{category},Chaz-XS-Black,"color=Black,size=XS",'
            f'{black},"{black},/m/h/mh01-black_back.jpg,/m/h/mh01-black_alt1.jpg",\n'
            f'MH01-XS-Black,fr,Top,simple,{category},Traduit,"color=Noir",{black},,\n'
            f'MH01-S-Black,,Top,simple,{category},Chaz-S-Black,"color=Black,size=S",{black},,\n'
            f"MH01-XS-Gray,,Top,simple,{category},Chaz-XS-Gray,size=XS,{gray},,\n"
            "MH01-XS-Red,,Top,simple,,Chaz-XS-Red,size=XS,/m/h/mh01-red.jpg,,\n"
            f"MH01,,Top,configurable,{category},Chaz Kangeroo Hoodie,"
            f'"manufacturer=Luma,pattern=Solid, striped",{gray},,'
            '"sku=MH01-XS-Black,size=XS,color=Black|sku=MH01-S-Black,size=S,color=Black|'
            'sku=MH01-XS-Gray,size=XS,color=Gray|sku=MH01-XS-Red,size=XS|sku=lost,color=Blue"\n'
            '24-MB01,,Bag,simple,"Default Category/Gear/Bags",Joust Duffle Bag,,'
            "/m/b/mb01-blue-0.jpg,,\n"
            "24-WG02,,Gear,virtual,,Course,,/m/b/mb01-blue-0.jpg,,\n",
            **{
                f"pub/media/catalog/product/m/{one}": one
                for one in (
                    *("h/mh01-black_main.jpg", "h/mh01-black_back.jpg", "h/mh01-black_alt1.jpg"),
                    *("h/mh01-gray_main_1.jpg", "h/mh01-red.jpg", "b/mb01-blue-0.jpg"),
                )
            },
        }
    )
    result = Result("magento", source)
    hoodie = ("Luma", "Men", "Hoodies & Sweatshirts", "Chaz Kangeroo Hoodie")
    assert result.rows(
        "product_id", "brand", "gender", "article_type", "title", "base_colour", "offers"
    ) == [
        ("MH01-Black", *hoodie, "Black", "MH01-XS-Black MH01-S-Black"),
        ("MH01-Gray", *hoodie, "Gray", "MH01-XS-Gray"),
        ("MH01-red", *hoodie, "red", "MH01-XS-Red"),
        ("24-MB01", None, None, "Bags", "Joust Duffle Bag", None, "24-MB01"),
    ]
    assert result.rows("image", "design_family") == [
        ("images/m/h/mh01-black_main.jpg", "MH01"),
        ("images/m/h/mh01-gray_main_1.jpg", "MH01"),
        ("images/m/h/mh01-red.jpg", "MH01"),
        ("images/m/b/mb01-blue-0.jpg", None),
    ]
    assert result.pictures("MH01-Black") == [
        ("images/m/h/mh01-black_main.jpg", "main", 1),
        ("images/m/h/mh01-black_back.jpg", "back", 2),
        ("images/m/h/mh01-black_alt1.jpg", None, 3),
    ]
    assert result.pairs() == {
        ("MH01-Black", "MH01-Gray"): 1,
        ("MH01-Black", "MH01-red"): 1,
        ("MH01-Gray", "MH01-red"): 1,
    }
    assert "1 variations of configurable products that no row describes" in result.said


SHOPIFY = (
    "Handle,Title,Vendor,Product Category,Type,Tags,Option1 Name,Option1 Value,Option2 Name,"
    "Option2 Value,Variant SKU,Variant Image,Image Src,Image Position,Google Shopping / Gender\n"
)


def test_shopify_colours_are_products_and_the_handle_is_the_design(write: Write) -> None:
    cdn = "https://cdn.shopify.com/s/files"
    source = write(
        {
            "products_export_1.csv": SHOPIFY
            + "linen-shirt,Linen Shirt,Acme,Apparel > Clothing > Shirts,,"
            f'"summer, Women\'s",Size,S,Colour,Navy Blue,LS-S-N,{cdn}/navy.jpg,{cdn}/1.jpg,1,\n'
            f"linen-shirt,,,,,,,M,,Navy Blue,LS-M-N,{cdn}/navy.jpg,{cdn}/2.jpg,2,\n"
            f"linen-shirt,,,,,,,S,,White,LS-S-W,{cdn}/white.jpg?v=1,,,\n"
            "linen-shirt,,,,,,,S,,Green,LS-S-G,,,,\n"
            f"cap,Cap,Acme,,Caps,men,Title,Default Title,,,CAP,,//cdn/b.jpg,2,female\n"
            f"cap,,,,,,,,,,,,{cdn}/a.jpg,1,\n",
            "products_export_2.csv": SHOPIFY
            + f"scarf,Scarf,Acme,,Scarves,,Color,Red,,,,{cdn}/own.jpg,{cdn}/r1.jpg,1,\n"
            f"scarf,,,,,,,,,,,,{cdn}/r2.jpg,2,\n"
            "sneaky,Sneaky,Acme,,Scarves,,,,,,,,products_export_1.csv,1,\n",
        }
    )
    result = Result("shopify", source)
    columns = ("product_id", "image", "brand", "gender", "article_type", "title", "base_colour")
    assert result.rows(*columns) == [
        (
            *("linen-shirt-Navy Blue", f"{cdn}/navy.jpg", "Acme", "Women", "Shirts"),
            *("Linen Shirt", "Navy Blue"),
        ),
        (
            *("linen-shirt-White", f"{cdn}/white.jpg?v=1", "Acme", "Women", "Shirts"),
            *("Linen Shirt", "White"),
        ),
        ("cap", f"{cdn}/a.jpg", "Acme", "Women", "Caps", "Cap", None),
        ("scarf-Red", f"{cdn}/own.jpg", "Acme", None, "Scarves", "Scarf", "Red"),
    ]
    assert result.rows("design_family", "offers") == [
        ("linen-shirt", "LS-S-N LS-M-N"),
        ("linen-shirt", "LS-S-W"),
        (None, "cap"),
        ("scarf", "scarf-Red"),
    ]
    assert [image for image, _, _ in result.pictures("cap")] == [
        f"{cdn}/a.jpg",
        "https://cdn/b.jpg",
    ]
    assert len(result.pictures("scarf-Red")) == 3
    assert result.pairs() == {("linen-shirt-Navy Blue", "linen-shirt-White"): 1}
    assert "1 colours, such as linen-shirt-Green, have no Variant Image" in result.said
    assert "2 products without a picture: linen-shirt-Green, sneaky" in result.said
    assert not (source.parent / "shop/images").exists()
    assert result.counts.urls == 7
    assert result.counts.pictures == 0


GOOGLE = [  # id, title, item_group_id, color, gender, age_group, additional links
    ("1", "Tee, S", "G1", "Red", "male", "adult", "https://x/1b.jpg,https://x/1c.jpg"),
    ("2", "Tee, M", "G1", "red", "male", "adult", ""),
    ("3", "Tee, S", "G1", "Blue", "male", "adult", ""),
    ("4", 'Sock 5"', "", "Blue", "female", "kids", ""),
]
GOOGLE_NAMES = ("id", "title", "item_group_id", "color", "gender", "age_group")


def google_rows(separator: str, spaces: bool = False) -> str:
    names = [*GOOGLE_NAMES, "additional_image_link", "image_link", "brand", "product_type"]
    lines = [separator.join(one.replace("_", " ") if spaces else one for one in names)]
    for row in GOOGLE:
        last = (f"https://x/{row[0]}.jpg", "Acme", "Clothes > Tops")
        quoted = [f'"{one}"' if separator in one else one for one in (*row, *last)]
        lines.append(separator.join(quoted))
    return "\n".join(lines) + "\n"


def google_xml(atom: bool) -> str:
    tag = "entry" if atom else "item"
    items = ""
    for *values, more in GOOGLE:
        named = "".join(
            f"<g:{name}>{value}</g:{name}>"
            for name, value in zip(GOOGLE_NAMES, values, strict=True)
            if value
        )
        links = "".join(
            f"<g:additional_image_link>{link}</g:additional_image_link>"
            for link in filter(None, more.split(","))
        )
        items += (
            f"<{tag}>{named}<g:brand>Acme</g:brand><g:image_link> https://x/{values[0]}.jpg"
            f"</g:image_link>{links}<g:product_type>Clothes &gt; Tops</g:product_type></{tag}>"
        )
    space = 'xmlns:g="http://base.google.com/ns/1.0"'
    if atom:
        return f'<feed xmlns="http://www.w3.org/2005/Atom" {space}>{items}</feed>'
    return f'<?xml version="1.0"?><rss {space} version="2.0"><channel>{items}</channel></rss>'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("feed.tsv", google_rows("\t", spaces=True)),
        ("feed.txt", google_rows("\t")),
        ("feed.csv", google_rows(",").replace('5"', '5""')),
        ("feed.xml", google_xml(atom=False)),
        ("feed.xml", google_xml(atom=True)),
    ],
    ids=["tsv", "txt", "csv", "rss", "atom"],
)
def test_google_feeds_of_every_format_give_the_same_products(
    write: Write, name: str, content: str
) -> None:
    source = write({name: content})
    result = Result("google-merchant", source / name if name == "feed.txt" else source)
    columns = ("product_id", "image", "brand", "gender", "article_type", "title", "base_colour")
    title = 'Sock 5""' if name == "feed.csv" else 'Sock 5"'
    assert result.rows(*columns) == [
        ("G1-Red", "https://x/1.jpg", "Acme", "Men", "Tops", "Tee, S", "Red"),
        ("G1-Blue", "https://x/3.jpg", "Acme", "Men", "Tops", "Tee, S", "Blue"),
        ("4", "https://x/4.jpg", "Acme", "Girls", "Tops", title, "Blue"),
    ]
    assert result.rows("design_family", "offers") == [("G1", "1 2"), ("G1", "3"), (None, "4")]
    links = ["https://x/1.jpg", "https://x/1b.jpg", "https://x/1c.jpg", "https://x/2.jpg"]
    assert [image for image, _, _ in result.pictures("G1-Red")] == links
    assert result.pairs() == {("G1-Blue", "G1-Red"): 1}


# Hostile and broken data


ENTITIES = (
    '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><rss><channel><item><id>&b;</id>'
    "<image_link>https://x/1.jpg</image_link></item></channel></rss>"
)


@pytest.mark.parametrize(
    "content",
    [
        ENTITIES,
        ENTITIES.encode("utf-16"),
        '<!DOCTYPE r SYSTEM "file:///etc/passwd"><rss/>',
        "<rss><channel>",
        "",
        '<?xml version="1.0" encoding="nonsense"?><rss/>',
    ],
)
def test_xml_with_entities_or_errors_is_refused(write: Write, content: str | bytes) -> None:
    refused(
        "google-merchant", write({"feed.xml": content}), "feed.xml", "XML" if not content else ""
    )


def test_archives_that_unpack_without_end_are_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGEST", 100_000)
    monkeypatch.setattr(files, "LONGEST_LINE", 10_000)
    images = "image_id,path\nB1m,1.jpg\n"
    listings = "listings/metadata/listings_0.json.gz"
    for content in (bytes(50_000), b"\n" * 200_000):
        source = write({listings: gzip.compress(content), "images/metadata/images.csv": images})
        refused("abo", source, "listings_0.json.gz", "more than")
    source = write({listings: b"no archive"})
    refused("abo", source, "cannot be read")
    source = write({listings: gzip.compress(abo_listing("B1").encode())[:-9]})
    refused("abo", source, "cannot be read")
    (source / "images/metadata/images.csv").unlink()
    source = write({"images/metadata/images.csv.gz": gzip.compress(bytes(200_000))})
    refused("abo", source, "images.csv.gz", "more than")


@pytest.mark.parametrize("path", ["../../secret.jpg", "/etc/passwd", "a\0b.jpg", "C:/a.jpg"])
def test_no_table_leads_out_of_the_folder_of_pictures(write: Write, path: str) -> None:
    if "\0" not in path:  # which no CSV holds
        source = write(
            {
                "listings/metadata/listings_0.json": abo_listing("B1"),
                "images/metadata/images.csv": f"image_id,path\nB1m,{path}\n",
                "images/small/1.jpg": b"",
                "images/secret.jpg": b"secret",
            }
        )
        refused("abo", source, "not inside")
    (source := write({"styles.csv": KAGGLE + f"{path},,,,,,,,,a\n", "images/1.jpg": b""}))
    refused("kaggle-fashion", source, "NUL" if "\0" in path else "not inside")


def test_links_are_refused(write: Write) -> None:
    source = write({"styles.csv": KAGGLE + "1,,,,,,,,,a\n", "secret": b"", "images/2.jpg": b""})
    (source / "images/1.jpg").symlink_to(source / "secret")
    refused("kaggle-fashion", source, "symbolic link")
    (source / "images/1.jpg").unlink()
    (source / "images/1.jpg").write_bytes(b"")
    (source / "styles.csv").rename(source / "other.csv")
    (source / "styles.csv").symlink_to(source / "other.csv")
    refused("kaggle-fashion", source, "symbolic link")


def test_names_of_files_that_are_no_text_are_left_out(write: Write) -> None:
    source = write({"Img/img/MEN/Denim/id_00000001/01_1_front.jpg": b""})
    odd = source / os.fsdecode(b"Img/img/MEN/Den\xffim/id_00000002")
    odd.mkdir(parents=True)
    (odd / "01_1_front.jpg").touch()
    assert Result("deepfashion-inshop", source).counts.products == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_wrong_folder_is_refused_with_what_was_expected(write: Write, layout: str) -> None:
    expected = {
        "kaggle-fashion": "styles.csv",
        "hm": "articles.csv",
        "deepfashion-inshop": "Img/img",
        "abo": "listings_*.json.gz",
        "magento": "*.csv",
        "shopify": "*.csv",
        "google-merchant": "*.xml",
    }
    source = write({"readme.md": "nothing"})
    refused(layout, source, expected[layout], str(source))
    refused(layout, source / "none", "there is no")


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        ("kaggle-fashion", "styles.csv"),
        ("hm", "articles.csv"),
        ("magento", "a.csv"),
        ("shopify", "a.csv"),
        ("google-merchant", "a.tsv"),
    ],
)
@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2,3\n", b"a,b\n", b"\xff\xfe\0", b'a,b\n"1,2\n', bytes(100)]
)
def test_broken_tables_are_refused(write: Write, layout: str, name: str, content: bytes) -> None:
    source = write({name: content, "images/1.jpg": b"", "pub/media/catalog/product/1.jpg": b""})
    refused(layout, source, name)


def test_a_table_in_another_encoding_is_read_as_shop_yaml_says(write: Write) -> None:
    table = (KAGGLE + "1,,,,,Grün,,,,Räuber\n").replace(",", ";").encode("cp1252")
    source = write({"styles.csv": table, "images/1.jpg": b"1"})
    refused("kaggle-fashion", source, "line 2", "shop.yaml", "encoding: cp1252")
    write({"shop.yaml": "encoding: cp1252"})
    assert Result("kaggle-fashion", source).rows("base_colour", "title") == [("Grün", "Räuber")]
    write({"shop.yaml": "encoding: [1"})
    with pytest.raises(UserError, match=r"shop\.yaml"):
        import_layout("kaggle-fashion", source, source.parent / "another", print)


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"item_id": 5}', '{"item_id": " "}', "[" * 100_000, '{"a": 1e999}']
)
def test_broken_listings_are_refused_with_their_line(write: Write, line: str) -> None:
    source = write(
        {
            "listings/metadata/listings_0.json": "\n" + line,
            "images/metadata/images.csv": "image_id,path\n",
            "images/small/1.jpg": b"",
        }
    )
    refused("abo", source, "line 2")


def test_a_target_that_holds_something_is_left_alone(write: Write) -> None:
    source = write({"styles.csv": KAGGLE + "1,,,,,,,,,a\n", "images/1.jpg": b"1"})
    full = write({"../full/note.txt": "mine"}).parent / "full"
    for out in (full, full / "note.txt", source):
        with pytest.raises(UserError, match="not empty"):
            import_layout("kaggle-fashion", source, out, print)
    assert (full / "note.txt").read_text() == "mine"
    (source.parent / "empty").mkdir()
    import_layout("kaggle-fashion", source, source.parent / "empty", print)
    assert (source.parent / "empty/images/1.jpg").read_bytes() == b"1"


def test_pictures_are_hard_links_and_copies_on_another_disk(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write({"styles.csv": KAGGLE + "1,,,,,,,,,a\n", "images/1.jpg": b"1"})
    out = source.parent
    import_layout("kaggle-fashion", source, out / "linked", print)
    assert (out / "linked/images/1.jpg").samefile(source / "images/1.jpg")

    def no_link(*paths: object, **options: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    import_layout("kaggle-fashion", source, out / "copied", print)
    copy = out / "copied/images/1.jpg"
    assert copy.read_bytes() == b"1"
    assert not copy.samefile(source / "images/1.jpg")


def test_a_shop_without_any_picture_is_refused(write: Write) -> None:
    source = write({"styles.csv": KAGGLE + "1,,,,,,,,,a\n", "images/2.jpg": b"1"})
    refused("kaggle-fashion", source, "none of the 1 products", "images")


def test_words_of_a_shop_do_nothing_to_a_terminal(write: Write) -> None:
    source = write(
        {"styles.csv": KAGGLE + "\x1b[31m1,,,,,,,,,a\n2,,,,,,,,,a\n", "images/2.jpg": b""}
    )
    assert "picture: \\x1b[31m1" in Result("kaggle-fashion", source).said


def test_the_command_says_what_it_wrote_and_how_sure_its_pairs_are(write: Write) -> None:
    source = write({"feed.tsv": google_rows("\t")})
    arguments = ["import", "google-merchant", str(source), "--out", str(source.parent / "shop")]
    said = CliRunner().invoke(app, arguments).output
    assert "3 products with 0 pictures and 6 URLs of pictures are in" in " ".join(said.split())
    assert "1 of variants, 0 of other designs" in said
    assert "nobody looked at them: confidence medium" in said
    help_text = CliRunner().invoke(app, ["import", "--help"]).output
    assert all(name in help_text for name in LAYOUTS)


# Pairs


def goods(families: Sequence[int], brand: str = "a") -> list[Product]:
    """Products of families of these sizes, each of another colour."""
    return [
        Product(
            f"{brand}{family}-{one}", (), brand, None, "Tee", None, str(one), f"{brand}{family}"
        )
        for family, size in enumerate(families)
        for one in range(size)
    ]


def test_pairs_are_all_variants_and_at_most_as_many_others() -> None:
    products = [*goods([3, 2, 1, 4, 2]), *goods([2, 2], "b"), Product("lonely", (), "a")]
    pairs = make_pairs(reversed(products), "me")
    assert pairs == make_pairs(products, "me")
    assert len({pair[:2] for pair in pairs}) == len(pairs)
    family = {one.product_id: one.design_family for one in products}
    block = {one.product_id: one.block for one in products}
    positive = [pair for pair in pairs if pair[2] == 1]
    negative = [pair for pair in pairs if pair[2] == 0]
    assert len(positive) == 3 + 1 + 6 + 1 + 1 + 1
    assert len(positive) / 2 <= len(negative) <= len(positive)
    assert all(family[left] == family[right] for left, right, *_ in positive)
    assert all(family[left] != family[right] for left, right, *_ in negative)
    assert all(block[left] == block[right] and left < right for left, right, *_ in pairs)
    assert "lonely" not in {one for pair in pairs for one in pair[:2]}


def test_a_huge_family_makes_pairs_without_end_neither_of_variants_nor_of_others() -> None:
    pairs = make_pairs(goods([2000, 3]), "me")
    assert sum(pair[2] for pair in pairs) < 2000 * WIDEST + 3
    assert len(pairs) < 2 * 2000 * WIDEST


def test_few_pairs_change_when_a_family_is_added() -> None:
    before = set(make_pairs(goods([3] * 60), "me"))
    after = set(make_pairs(goods([3] * 61), "me"))
    assert len(before - after) <= 12


def test_most_pairs_of_a_shop_of_one_brand_lie_within_one_split() -> None:
    products = goods([3] * 100)
    names = [one.product_id for one in products]
    table = pd.DataFrame(
        {
            "product_id": names,
            "design_family": [one.design_family for one in products],
            "brand": "a",
            "gender": None,
            "article_type": "Tee",
        }
    )
    split = dict(zip(names, split_products(table, "design_family"), strict=True))
    pairs = make_pairs(products, "me")
    same = [pair for pair in pairs if split[pair[0]] == split[pair[1]]]
    assert len(same) > 0.9 * len(pairs)
    for name in ("train", "dev", "test"):
        assert {pair[2] for pair in same if split[pair[0]] == name} == {0, 1}


@pytest.mark.parametrize(
    ("words", "gender"),
    [
        ("Women's shoes", "Women"),
        ("MENS", "Men"),
        ("Default Category/Women/Tops", "Women"),
        ("Ladies' Wear", "Women"),
        ("Baby/Children", "Kids"),
        ("girls", "Girls"),
        ("Divided", None),
        ("Menton, Manual, Garments", None),
        (None, None),
    ],
)
def test_genders_are_whole_words(words: str | None, gender: str | None) -> None:
    assert gender_in(words) == gender


# The registry


def test_every_layout_has_one_module_that_names_its_source() -> None:
    folder = ROOT / "ml/snapshot/layouts"
    own = {"__init__", "base", "colourways", "files", "genders", "pairs", "writing"}
    modules = {file.stem for file in folder.glob("*.py")} - own
    assert modules == {name.replace("-", "_") for name in LAYOUTS}
    for name in LAYOUTS:
        load_layout(name)
        text = (folder / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
        assert "https://" in text.partition('"""')[2].partition('"""')[0], name


@pytest.mark.parametrize("name", ["", "zalando", "../hm", "__init__", "HM"])
def test_an_unknown_layout_is_refused_with_the_list_of_all(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        import_layout(name, tmp_path, tmp_path / "shop", print)
    for known, words in LAYOUTS.items():
        assert f"{known}: {words}" in str(caught.value)
