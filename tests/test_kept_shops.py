"""The copies of grouped shops: a picture is found in any, and those that nothing needs go."""

from pathlib import Path

from filelock import FileLock

from flows.catalogue.shop import PICTURES, kept_folder, kept_picture, trim_shops
from flows.local.project import Project


def keep(project: Project, source: str, *names: str) -> Path:
    folder = kept_folder(project, source, {})
    for name in names:
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        (folder / PICTURES / name).write_text(source)
    return folder


def test_a_product_that_tonight_s_shop_lacks_has_its_picture_of_earlier(tmp_path: Path) -> None:
    project = Project(tmp_path)
    keep(project, "/whole", "old", "both")
    keep(project, "/tonight", "new", "both")
    for name, source in (("old", "/whole"), ("both", "/tonight"), ("new", "/tonight")):
        assert kept_picture(project, "/tonight", {}, name).read_text() == source
    assert not kept_picture(project, "/tonight", {}, "nowhere").exists()


def test_copies_go_that_have_no_picture_of_a_newest_grouping_and_are_not_in_use(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path)
    needed, free, used = (
        keep(project, source, name) for source, name in (("/a", "x"), ("/b", "y"), ("/c", "z"))
    )
    with FileLock(used / "lock"):
        assert trim_shops(project, {"x"}) == 1
    assert (needed.exists(), free.exists(), used.exists()) == (True, False, True)
    assert trim_shops(Project(tmp_path / "nothing"), {"x"}) == 0
