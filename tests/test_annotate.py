"""What several people say of pairs: who looks at which, how far they agree, what follows."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from ml.annotate.agreement import agreement
from ml.annotate.assignment import assign
from ml.annotate.consensus import consensus, contradictory
from ml.annotate.label_studio import TEMPLATE, Said, accounts_in, said_in, task
from ml.annotate.mode import ORIGIN
from ml.core.errors import UserError
from ml.data.annotations import without_selected


@pytest.mark.parametrize(
    ("answers", "together"),
    [
        ("same", "same"),
        ("same same different", "same"),
        ("different unsure different", "different"),
        ("same different", "conflict"),
        ("same different unsure", "conflict"),
        ("same same different different", "conflict"),
        ("same unsure", "unsure"),
        ("unsure unsure same", "unsure"),
    ],
)
def test_what_more_than_half_say_counts_and_a_draw_of_same_and_different_is_a_conflict(
    answers: str, together: str
) -> None:
    said = pd.DataFrame({"pair": 3, "answer": answers.split()})
    assert consensus(said).to_dict() == {3: together}


def test_pairs_keep_their_order_and_none_is_none() -> None:
    said = pd.DataFrame({"pair": [9, 2, 9], "answer": ["same", "unsure", "different"]})
    assert consensus(said).to_dict() == {9: "conflict", 2: "unsure"}
    assert list(consensus(said)) == ["conflict", "unsure"]
    assert len(consensus(said[:0])) == 0


def test_all_pairs_of_a_design_that_contradicts_itself_are_in_doubt_and_no_others() -> None:
    rows = [("a", "b", 1), ("b", "c", 1), ("c", "a", 0), ("d", "e", 1), ("a", "d", 0)]
    pairs = pd.DataFrame(rows, columns=["left", "right", "same"]).astype({"same": bool})
    assert contradictory(pairs).tolist() == [True, True, True, False, False]
    assert contradictory(pairs[:0]).tolist() == []


@pytest.mark.parametrize("people", [2, 3, 5])
@pytest.mark.parametrize("overlap", [0.0, 0.2, 1.0])
def test_pairs_are_dealt_evenly_and_the_stated_share_to_two_people(
    people: int, overlap: float
) -> None:
    names = [f"person {number}" for number in range(people)]
    dealt = assign(100, names, overlap, seed=3)
    assert dealt == assign(100, names, overlap, seed=3)
    assert len(set(dealt)) == len(dealt) == 100 + round(100 * overlap)
    each = Counter(place for place, _ in dealt)
    assert set(each) == set(range(100))
    assert Counter(each.values())[2] == round(100 * overlap)
    loads = Counter(name for _, name in dealt).values()
    assert max(loads) - min(loads) <= 2


def test_an_overlap_needs_two_people_and_a_share() -> None:
    assert assign(3, [], 0, 0) == []
    assert assign(2, ["Ada"], 0, 0) == [(0, "Ada"), (1, "Ada")]
    with pytest.raises(UserError, match="two annotators"):
        assign(3, ["Ada"], 0.5, 0)
    with pytest.raises(UserError, match="write 0 to 1, not 20"):
        assign(3, ["Ada", "Bo"], 20, 0)


def answers(**said: str) -> pd.DataFrame:
    words = {"s": "same", "d": "different", "u": "unsure"}
    rows = [
        (place, person, words[one])
        for person, line in said.items()
        for place, one in enumerate(line)
        if one in words
    ]
    return pd.DataFrame(rows, columns=["pair", "person", "answer"])


def test_agreement_is_that_of_the_references() -> None:
    said = {"Ada": "ssdduus-", "Bo": "sdddus--", "Cy": "ssddusd-"}
    found = agreement(answers(**said))
    # pairs of equal answers, counted by hand: of pairs 0 to 5 three each, of pair 6 one
    assert (found.pairs, found.raters, found.rated) == (7, 3, 6)
    assert found.percent == pytest.approx((3 + 1 + 3 + 3 + 3 + 1 + 0) / (6 * 3 + 1))
    both = {one.people: one for one in found.cohen}
    kappa = cohen_kappa_score(list("ssdduu"), list("sdddus"))
    assert both["Ada", "Bo"].kappa == pytest.approx(kappa)
    assert both["Ada", "Bo"].pairs == 6
    # Fleiss by his formula
    table = np.array([[3, 0, 0], [2, 1, 0], [0, 3, 0], [0, 3, 0], [0, 0, 3], [2, 0, 1]])
    within = ((table**2).sum(1) - 3) / 6
    chance = ((table.sum(0) / 18) ** 2).sum()
    assert found.fleiss == pytest.approx((within.mean() - chance) / (1 - chance))


def test_where_chance_explains_all_there_is_no_kappa() -> None:
    found = agreement(answers(Ada="sss", Bo="sss"))
    assert (found.percent, found.fleiss, found.cohen[0].kappa) == (1.0, None, None)
    alone = agreement(answers(Ada="sd"))
    assert (alone.pairs, alone.percent, alone.cohen, alone.raters) == (0, None, [], 0)
    assert agreement(answers()).pairs == 0


def exported(choice: object, by: object = 7, **more: object) -> list[dict[str, object]]:
    """A task as Label Studio exports it, see https://labelstud.io/guide/task_format."""
    result = {
        "id": "Dx_aB91ISN",
        "from_name": "answer",
        "to_name": "left",
        "type": "choices",
        "value": {"choices": choice},
    }
    annotation = {
        "id": 1001,
        "completed_by": by,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-03-09T22:16:08.728353Z",
        "lead_time": 4.288,
        "result": [result],
    }
    made = task("a", "b", ("/a.jpg", "/b.jpg")) | {"id": 1, "annotations": [annotation | more]}
    return [json.loads(json.dumps(made))]


def test_answers_come_back_from_label_studio() -> None:
    found = list(said_in(exported(["same"]), "ls.json"))
    assert found == [Said("a", "b", "account 7", "same", "", "2026-03-09T22:16:08.728353Z")]
    ada = {"id": 3, "email": "ada@example.org", "first_name": "Ada", "last_name": "Byron"}
    assert next(said_in(exported(["unsure"], ada), "")).person == "Ada Byron"
    assert next(said_in(exported(["unsure"], ada | {"first_name": ""}), "")).person == "Byron"
    assert list(said_in(exported([], was_cancelled=True), "ls.json")) == []
    why = {"from_name": "why", "type": "textarea", "value": {"text": ["other collar"]}}
    content = exported(["different"])
    content[0]["annotations"][0]["result"].append(why)  # type: ignore[index]
    assert next(said_in(content, "")).why == "other collar"


def test_accounts_of_an_export_bear_the_names_that_label_studio_lists() -> None:
    users = [{"id": 7, "email": "ada@example.org", "first_name": ""}, {"id": 8, "email": "b@x.org"}]
    named = accounts_in(users, "users.json")
    assert next(said_in(exported(["same"]), "", named)).person == "ada@example.org"
    assert next(said_in(exported(["same"], 9), "", named)).person == "account 9"
    for wrong in ({"count": 2, "results": users}, [7], None):
        with pytest.raises(UserError, match=r"users\.json: .* /api/users"):
            accounts_in(wrong, "users.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"tasks": []}, r"ls\.json: .* list: .* export the project as JSON"),
        ([1], r"ls\.json, task 1: "),
        ([{"data": {"left": "x"}}], r"task 1, data\.left_id: Field required: import the tasks"),
        ([{"data": {"left_id": "a", "right_id": 3}}], r"data\.right_id: .* string"),
        ([{"data": None}], r"task 1, data: "),
        ([{"data": {"left_id": "a", "right_id": "b"}}], "task 1, annotations: Field required"),
        (exported(["green"]), "task 1: 'green' is no answer"),
        (exported([], result=[]), "task 1: '' is no answer"),
        (exported([], result=["x"]), r"annotations\.0\.result\.0: "),
        (exported(["same"], None), r"completed_by"),
    ],
)
def test_what_is_no_export_of_label_studio_is_refused_in_words(content: object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        list(said_in(content, "ls.json"))


def test_the_template_asks_for_what_the_import_reads() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    for needed in ('value="$left"', 'value="$right"', 'name="answer"', 'name="why"'):
        assert needed in text
    for answer in ("same", "different", "unsure"):
        assert f'<Choice value="{answer}"' in text


def test_no_comparison_uses_a_pair_that_a_model_chose_and_each_uses_a_fresh_one() -> None:
    origins = ["correction", ORIGIN["train"], ORIGIN["test"], None]
    pairs = pd.DataFrame({"left": list("abcd"), "right": list("efgh"), "origin": origins})
    assert without_selected(pairs)["left"].tolist() == ["c", "d"]
