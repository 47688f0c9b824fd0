"""On the desk's pages groups are found, and merged, split and locked by corrections."""

import html
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from desk_catalogue import HOSTILE, HOSTILE_ID, LIAR, group_again, grouped_catalogue
from fastapi.testclient import TestClient

from flows.catalogue.corrections import correcting, read_corrections, read_locks
from flows.catalogue.places import store_of
from flows.corrections import lock, say
from flows.desk import grouping_model
from flows.desk.app import desk_app
from flows.desk.grouping_model import GroupingModels
from flows.desk.newest_groups import Catalogues
from flows.desk.roles import Roles
from flows.desk.settings import Settings
from flows.local.project import Project
from flows.local.scratch import scratch_room
from ml.catalogue.group_list import GroupList, Wanted
from ml.catalogue.locks import standing_locks
from ml.core.errors import UserError

ROLES = Roles(people={"Ada": ["annotator"], "Bo": ["annotator"]})
LINK = re.compile(r'<h3><a href="/groups/shop/([^"]+)">')


@pytest.fixture
def products(empty_project: Project) -> pd.DataFrame:
    return grouped_catalogue(empty_project)


@pytest.fixture
def client(empty_project: Project, products: pd.DataFrame) -> TestClient:
    settings = Settings(ROLES, user_header="x-user", hosts=["testserver"])
    app = desk_app(empty_project, settings)
    return TestClient(app, headers={"x-user": "Ada"})


def listed(client: TestClient, query: str = "") -> list[str]:
    found = client.get(f"/groups/shop?{query}")
    assert found.status_code == 200, found.text
    return LINK.findall(found.text)


def largest(products: pd.DataFrame) -> tuple[str, list[str]]:
    """The id and the products of the largest group."""
    group = products["group"].value_counts().index[0]
    return group, products.loc[products["group"] == group, "product_id"].tolist()


def fields(page: str) -> dict[str, Any]:
    """What the form of a preview would send."""
    found: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page):
        found.setdefault(name, []).append(html.unescape(value))
    return found


def change(client: TestClient, group: str, query: str, why: str = "", **headers: str) -> Any:
    """Asks for a preview and sends its form; returns the page that follows."""
    preview = client.get(f"/groups/shop/{group}/change?{query}", headers=headers)
    assert preview.status_code == 200, preview.text
    return client.post(
        f"/groups/shop/{group}/change", data=fields(preview.text) | {"why": why}, headers=headers
    )


def test_the_list_begins_with_the_least_certain_and_filters(
    client: TestClient, products: pd.DataFrame
) -> None:
    scores = products.groupby("group")["score"].min()
    several = products.groupby("group").size() > 1
    order = scores[several].sort_values(kind="stable")
    assert listed(client) == order.index.tolist()
    assert len(listed(client, "size=1&order=id")) == min(50, products["group"].nunique())
    sizes = products.groupby("group").size()
    assert sizes[listed(client, "order=large")].is_monotonic_decreasing
    assert set(listed(client, "brand=b1")) == set(
        products.loc[products["brand"].eq("b1") & products["group"].map(several), "group"]
    )
    liar = products.loc[products["product_id"] == LIAR, "group"].tolist()
    assert listed(client, "looks=true&size=1") == liar
    assert listed(client, f"q={LIAR}") == liar
    assert listed(client, "q=SHIRT+red") == liar
    assert listed(client, f"q={quote(HOSTILE_ID)}") == products.loc[[3], "group"].tolist()
    assert listed(client, "q=nothing+like+this") == []
    assert listed(client, "locked=true") == []
    assert client.get("/groups/shop?size=x").status_code == 422
    assert client.get("/groups/other").status_code == 404
    assert client.get("/groups").url.path == "/groups/shop"


def test_pages_of_a_long_list_hold_every_group_once() -> None:
    count = 130
    table = pd.DataFrame(
        {
            "product_id": [f"p{number}" for number in range(count)],
            "group": [f"g{number:03d}" for number in range(count)],
            "score": np.nan,
            "band": "leave",
            "problem": None,
            "sha256": None,
        }
    ).assign(brand="b", gender="g", article_type="t")
    groups = GroupList(table, np.full((count, 3), np.nan))
    assert groups.find(Wanted(least=1)).tolist() == list(range(count))
    assert groups.find(Wanted()).tolist() == []
    assert groups.find(Wanted(least=1), np.array([3, 5, -1])).tolist() == [3, 5]
    empty = GroupList(table.iloc[:0], np.zeros((0, 3)))
    assert empty.find(Wanted(words="a", brand="b")).tolist() == []
    assert empty.groups_of(["p1"]).tolist() == [-1]


def test_words_are_found_in_every_script_whatever_their_case_and_form() -> None:
    titles = ["ΟΔΟΣ", "İpek", "Cafe\u0301", "STRASSE", "Юбка", "قميص"]
    table = pd.DataFrame({"product_id": [f"p{one}" for one in range(6)], "title": titles})
    table = table.assign(group=table["product_id"], score=np.nan, band="leave", problem=None)
    table = table.assign(sha256=None, brand="b", gender="g", article_type="t")
    groups = GroupList(table, np.full((6, 3), np.nan))
    for place, title in enumerate(titles):
        forms = {title, title.lower(), title.upper(), unicodedata.normalize("NFC", title)}
        for form in [*forms, unicodedata.normalize("NFD", title)]:
            assert groups.find(Wanted(words=form, least=1)).tolist() == [place], form
    for words, place in (("οδος", 0), ("CAFÉ", 2), ("straße", 3), ("ЮБКА", 4)):
        assert groups.find(Wanted(words=words, least=1)).tolist() == [place]


def test_a_group_is_split_as_previewed_and_stays_split(
    client: TestClient, products: pd.DataFrame, empty_project: Project
) -> None:
    group, ids = largest(products)
    url = f"what=split&product={quote(ids[0])}&product={quote(ids[1])}"
    preview = client.get(f"/groups/shop/{group}/change?{url}").text
    count = 2 * (len(ids) - 2)
    assert f"{count} corrections" in preview
    store = store_of(empty_project)
    assert not len(read_corrections(store, "shop"))  # a preview keeps nothing
    page = change(client, group, url, "two prints")
    assert f"Corrections added: {count}" in page.text
    kept = read_corrections(store, "shop")
    assert kept["by"].unique().tolist() == ["Ada"]
    assert kept["why"].unique().tolist() == ["two prints"]
    assert "waits for the next grouping" in page.text
    assert listed(client, "waits=true") == [group]
    group_again(empty_project)
    assert listed(client, "waits=true&size=1") == []
    after = products.assign(group=group_again(empty_project).products["group"])
    of = after.set_index("product_id")["group"]
    assert not set(of[ids[:2]]) & set(of[ids[2:]])


def test_one_product_is_no_variant_and_two_groups_are_merged(
    client: TestClient, products: pd.DataFrame, empty_project: Project
) -> None:
    group, ids = largest(products)
    block = products[products["brand"] == products.loc[products["group"] == group, "brand"].iloc[0]]
    other = block.loc[block["group"] != group].iloc[0]
    mates = block.loc[block["group"] == other["group"], "product_id"].tolist()
    change(client, group, f"what=split&product={quote(ids[-1])}")
    change(client, other["group"], f"what=merge&other={ids[0]}")
    version = group_again(empty_project)
    of = version.products.set_index("product_id")["group"]
    assert of[[*mates, *ids[:-1]]].nunique() == 1
    assert of[ids[-1]] != of[ids[0]]


def test_of_two_people_the_second_sees_what_the_first_did(
    client: TestClient, products: pd.DataFrame, empty_project: Project
) -> None:
    group, ids = largest(products)
    url = f"what=split&product={quote(ids[0])}"
    seen = fields(client.get(f"/groups/shop/{group}/change?{url}").text)
    say(empty_project, "shop", ids[0], ids[1], True, "Bo", "one print")
    late = client.post(f"/groups/shop/{group}/change", data=seen)
    assert "nothing was added" in late.text
    assert "one print" in late.text
    assert len(read_corrections(store_of(empty_project), "shop")) == 1
    seen = fields(client.get(f"/groups/shop/{group}/change?{url}").text)
    rest = products[~products["product_id"].isin(ids)]
    for _, block in rest.groupby("brand"):  # what is said of others does not stop anybody
        say(empty_project, "shop", *block["product_id"].tolist()[:2], False, "Bo", "")
    assert "Corrections added" in client.post(f"/groups/shop/{group}/change", data=seen).text


def test_of_two_forms_that_are_sent_at_once_one_is_refused(
    client: TestClient,
    products: pd.DataFrame,
    empty_project: Project,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group, ids = largest(products)
    bo = TestClient(client.app, headers={"x-user": "Bo"})
    sent = []
    for one, query in ((client, f"what=split&product={quote(ids[0])}"), (bo, "what=lock")):
        sent.append((one, fields(one.get(f"/groups/shop/{group}/change?{query}").text)))
    both = threading.Barrier(2)

    @contextmanager
    def late(*arguments: Any) -> Iterator[None]:
        both.wait(20)  # each has come here before either adds a word
        with correcting(*arguments):
            yield

    monkeypatch.setattr("flows.corrections.correcting", late)
    with ThreadPoolExecutor(2) as pool:
        pages = pool.map(
            lambda one: one[0].post(f"/groups/shop/{group}/change", data=one[1]).text, sent
        )
    assert sum("nothing was added" in one for one in pages) == 1
    store = store_of(empty_project)
    assert bool(len(read_corrections(store, "shop"))) != bool(len(read_locks(store, "shop")))


def test_a_form_without_a_field_or_with_another_group_s_does_only_what_was_shown(
    client: TestClient, products: pd.DataFrame, empty_project: Project
) -> None:
    group, ids = largest(products)
    mates = products[products["brand"] == products.loc[products["group"] == group, "brand"].iloc[0]]
    others = mates.loc[mates["group"] != group, "group"].unique().tolist()
    store, url = store_of(empty_project), f"/groups/shop/{group}/change"
    strange: dict[str, Any] = {
        "other": others[1],
        "stay_are_one": [],
        "product": [ids[1]],
        "state": "0" * 16,
        "go_are_one": "on",
    }
    split = f"what=split&product={quote(ids[0])}&product={quote(ids[2])}&stay_are_one=on"
    for query, matters in (
        (split, ("product", "stay_are_one", "go_are_one")),
        (f"what=merge&other={others[0]}", ("other",)),
        ("what=lock", ()),
        ("what=unlock", ()),
    ):
        if query == "what=unlock":
            lock(empty_project, "shop", group, "Bo", "")
        seen = fields(client.get(f"{url}?{query}").text)
        before = read_corrections(store, "shop"), read_locks(store, "shop")
        sent = [{k: v for k, v in seen.items() if k != one} for one in ("what", "state", *matters)]
        sent += [seen | {one: strange[one]} for one in ("state", *matters)]
        sent += [seen | {"what": one} for one in ("lock", "burn")]
        for one in sent:
            if one == seen or one == seen | {"what": seen["what"][0]}:
                continue
            assert client.post(url, data=one, follow_redirects=False).status_code < 500, one
            after = read_corrections(store, "shop"), read_locks(store, "shop")
            assert [len(table) for table in after] == [len(table) for table in before], one
    assert "no longer locked" in client.post(url, data=seen | {"other": others[0]}).text
    seen = fields(client.get(f"{url}?what=lock").text)
    del seen["other"]
    assert "is locked." in client.post(url, data=seen).text
    assert standing_locks(read_locks(store, "shop"))["group"].unique().tolist() == [group]


def test_a_group_is_locked_and_unlocked_and_words_against_it_are_refused(
    client: TestClient, products: pd.DataFrame, empty_project: Project
) -> None:
    group, ids = largest(products)
    store = store_of(empty_project)
    assert "is locked." in change(client, group, "what=lock", "checked").text
    assert standing_locks(read_locks(store, "shop"))["product_id"].tolist() == ids
    assert listed(client, "locked=true") == [group]
    refused = client.get(f"/groups/shop/{group}/change?what=split&product={ids[0]}")
    assert "cannot all hold" in refused.text
    assert "<form method" not in refused.text
    page = client.get(f"/groups/shop/{group}").text
    assert "by Ada" in page
    assert "checked" in page
    assert "no longer locked" in change(client, group, "what=unlock").text
    assert not len(standing_locks(read_locks(store, "shop")))


def test_what_is_no_change_is_refused_with_words(
    client: TestClient, products: pd.DataFrame
) -> None:
    group, ids = largest(products)
    other = products.loc[products["brand"] != products["brand"][0], "group"].iloc[0]
    mine = products.loc[products["brand"] == products["brand"][0], "group"].iloc[0]
    for url, words in (
        ("what=split", "at least one must stay"),
        ("what=split&" + "&".join(f"product={quote(one)}" for one in ids), "one must stay"),
        ("what=split&product=unknown", "choose the products"),
        ("what=merge&other=nobody", "no group and no product 'nobody'"),
        (f"what=merge&other={group}", "this group itself"),
        ("what=unlock", "no product of this group is locked"),
    ):
        page = client.get(f"/groups/shop/{group}/change?{url}")
        assert page.status_code == 200
        assert words in html.unescape(page.text), url
        assert "<form method" not in page.text
    page = client.get(f"/groups/shop/{mine}/change?what=merge&other={other}")
    assert "only grouped within one brand" in html.unescape(page.text)
    assert client.get(f"/groups/shop/{group}/change?what=burn").status_code == 422
    assert client.get("/groups/shop/gnone/change?what=lock").status_code == 404


def test_whoever_lacks_the_role_only_looks(
    client: TestClient, products: pd.DataFrame, empty_project: Project
) -> None:
    group, _ = largest(products)
    viewer = {"x-user": "Eve"}
    page = client.get(f"/groups/shop/{group}", headers=viewer)
    assert page.status_code == 200
    assert "change" not in re.sub(r"<head>.*</head>", "", page.text, flags=re.S)
    url = f"/groups/shop/{group}/change"
    assert client.get(f"{url}?what=lock", headers=viewer).status_code == 403
    seen = fields(client.get(f"{url}?what=lock").text)
    for address in (url, "/groups/shop/group"):
        assert client.post(address, data=seen, headers=viewer).status_code == 403
    assert not len(read_locks(store_of(empty_project), "shop"))


def test_ids_and_titles_are_text_on_every_page(client: TestClient, products: pd.DataFrame) -> None:
    for row in (3, 4):
        one = products.loc[row]
        group, mates = one["group"], products[products["group"] == one["group"]]
        pages = [
            f"/groups/shop?q={quote(str(one['product_id']))}",
            f"/groups/shop/{group}",
            f"/groups/shop/{group}/change?what=split&product={quote(one['product_id'])}",
            f"/groups/shop/{group}/change?what=merge&other={quote(HOSTILE)}",
            f"/groups/shop/why?left={quote(one['product_id'])}&right={quote(mates['product_id'].iloc[0])}",
            f"/groups/shop?q={quote(HOSTILE)}&brand={quote(HOSTILE)}&band={quote('<b>')}",
        ]
        for page in pages:
            text = client.get(page).text
            assert "<script>document" not in text, page
            assert "<img src=x" not in text, page
            assert "<b>" not in text, page
    one = products.loc[3]
    left = products.loc[products["group"] == one["group"], "product_id"]
    if len(left) > 1:
        assert (
            "Corrections added"
            in change(client, one["group"], f"what=split&product={quote(HOSTILE_ID)}").text
        )


def test_a_model_that_could_not_be_opened_is_tried_again(
    empty_project: Project, products: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: Any) -> Any:
        raise OSError("no space left")

    shop = Catalogues(empty_project)
    model = GroupingModels(empty_project, shop.store).of(shop.newest("shop"))
    monkeypatch.setattr(grouping_model, "kept_embeddings", failing)
    for _ in range(2):
        with pytest.raises(UserError, match="no space left"):
            model.closeness(10)
    files = shop.newest("shop").facts["model_files"] = {"model.onnx": "0"}
    found = SimpleNamespace(grouper=SimpleNamespace(files=files), embeddings=np.zeros((60, 2)))
    monkeypatch.setattr(grouping_model, "kept_embeddings", lambda *arguments: found)
    monkeypatch.setattr(grouping_model, "Closeness", lambda *arguments: arguments[3])
    assert model.closeness(10) is found.embeddings
    copies = scratch_room(empty_project)
    assert len(list(copies.glob("desk*"))) == 1  # none of the failures is left
    model.close()


def test_a_retired_group_leads_to_the_one_that_has_its_products(
    client: TestClient, products: pd.DataFrame, empty_project: Project
) -> None:
    group, ids = largest(products)
    block = products[products["brand"] == products.loc[products["group"] == group, "brand"].iloc[0]]
    other = block.loc[block["group"] != group, "group"].iloc[0]
    change(client, group, f"what=merge&other={other}")
    version = group_again(empty_project)
    now = version.products.set_index("product_id").loc[ids[0], "group"]
    gone = other if now == group else group
    page = client.get(f"/groups/shop/{gone}")
    assert page.url.path == f"/groups/shop/{now}"
    assert "is retired" in page.text


def test_grouping_again_runs_the_command_for_the_source_and_shows_its_last_words(
    client: TestClient, products: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, ...]] = []

    def stream(
        command: list[str], folder: object, log: Callable[[str], None], variables: object
    ) -> None:
        ran.append(tuple(command[3:]))
        log("version 2 <b>is</b> there")

    monkeypatch.setattr("flows.desk.jobs.stream", stream)
    token = fields(client.get("/groups/shop").text)["token"][0]
    page = client.post("/groups/shop/group", data={"token": token})
    assert ran == [("group", "--source=/shops/shop", "--catalogue=shop", "--by=Ada")]
    assert page.url.path == "/groups/shop/jobs/1"
    assert "version 2 &lt;b&gt;is&lt;/b&gt; there" in page.text
    assert client.get("/groups/shop/jobs/2").status_code == 404
