"""Label Studio itself takes our tasks and our template, and its answers come back by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from browser import needs_chromium, new_page
from catalogue import Shop, keep
from label_studio import ACCOUNT, PASSWORD, needs_label_studio, running_label_studio
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from flows.annotate import export_label_studio, import_answers
from flows.annotations.batches import Batch, add_batch
from flows.annotations.decisions import standing
from flows.catalogue.places import store_of
from flows.catalogue.shop import kept_folder
from flows.local.project import Project
from ml.annotate.label_studio import TEMPLATE
from ml.core.files import write_table

pytest_plugins = ["browser"]
SAID = {"s": "same", "d": "different", "u": "unsure"}  # what the keys of the template answer


def shop_with_a_batch(project: Project, shop: Path) -> Batch:
    """Groups a made-up catalogue whose pictures lie in a folder; a pair for each key."""
    made = Shop(0).group()
    keep(store_of(project), made, str(shop))
    (shop / "images").mkdir(parents=True)
    ids = made.products["product_id"].tolist()
    for place, one in enumerate(ids):
        Image.new("RGB", (60, 80), (4 * place, 90, 120)).save(shop / f"images/{one}.jpg")
    catalog = made.products[["product_id"]].assign(image=[f"images/{one}.jpg" for one in ids])
    write_table(kept_folder(project, str(shop), {}) / "snapshot/catalog.parquet", catalog)
    mates = made.products.loc[made.products["brand"] == "b1", "product_id"].tolist()
    pairs = made.products.iloc[: len(SAID)][[]].assign(left=mates[:3], right=mates[1:4])
    pairs = pairs.assign(stratum="random", probability=0.5, why="drawn")
    about = {"catalogue": "shop", "version": 1, "model": "models:/m/1", "mode": "train"}
    return add_batch(project, about | {"seed": 0, "overlap": 0.0, "by": "Ada"}, pairs, [])


def post(page: Page, url: str, body: Any) -> Any:
    """Posts as the page that is signed in does."""
    token = next(one["value"] for one in page.context.cookies() if one["name"] == "csrftoken")
    answer = page.request.post(url, data=body, headers={"X-CSRFToken": token, "Referer": url})
    assert answer.ok, answer.text()
    return answer.json()


@pytest.mark.full
@needs_label_studio
@needs_chromium
def test_what_a_person_answers_in_label_studio_by_keys_comes_back_under_their_name(
    empty_project: Project, browser: Browser, tmp_path: Path
) -> None:
    shop = tmp_path / "shop"
    batch = shop_with_a_batch(empty_project, shop)
    tasks = tmp_path / "tasks.json"
    assert export_label_studio(empty_project, batch.name, tasks) == len(SAID)
    with running_label_studio(tmp_path / "label-studio", shop) as address:
        page = new_page(browser)
        page.goto(f"{address}/user/login")
        page.fill("input[name=email]", ACCOUNT)
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url(f"{address}/")
        asked = {"title": "Colour variants", "label_config": TEMPLATE.read_text(encoding="utf-8")}
        project = post(page, f"{address}/api/projects", asked)["id"]
        storage = {"project": project, "path": str(shop / "images"), "use_blob_urls": True}
        post(page, f"{address}/api/storages/localfiles", storage)
        post(page, f"{address}/api/projects/{project}/import", json.loads(tasks.read_text()))
        found = page.request.get(f"{address}/api/tasks?project={project}").json()["tasks"]
        for task, key in zip(found, SAID, strict=True):
            page.goto(f"{address}/projects/{project}/data?task={task['id']}")
            picture = page.locator("img[alt=image]").first
            expect(picture).to_be_visible()
            page.wait_for_function("one => one.naturalWidth == 60", arg=picture.element_handle())
            page.keyboard.press(key)
            expect(page.get_by_role("radio", checked=True)).to_have_count(1)
            with page.expect_response(lambda one: one.request.method == "POST" and one.ok):
                page.keyboard.press("Control+Enter")
        export, accounts = tmp_path / "export.json", tmp_path / "users.json"
        kept = page.request.get(f"{address}/api/projects/{project}/export?exportType=JSON")
        export.write_bytes(kept.body())
        accounts.write_bytes(page.request.get(f"{address}/api/users").body())
    told = import_answers(empty_project, "shop", export, "train", "Bo", accounts)
    assert told == {"answers": len(SAID), "new": len(SAID), "batch": None}
    said = standing(empty_project, batch=batch)
    assert said["answer"].tolist() == list(SAID.values())
    assert set(said["by"]) == {ACCOUNT}
