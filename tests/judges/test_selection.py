"""Bubble selection over judges that are right, wrong, undecided, broken or fond of one side; the contact sheet."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from flowedit_grag import InputError
from flowedit_grag.judges import Verdict
from flowedit_grag.judges.selection import WINNER_COLOR, contact_sheet, select

ORIGINAL = Image.new("RGB", (40, 30), "gray")


def grey(*levels):
    return [Image.new("RGB", (40, 30), (level,) * 3) for level in levels]


def level(image):
    return image.getpixel((0, 0))[0]


def brighter(instruction, original, first, second):
    """A fair judge: the brighter picture wins."""
    return Verdict.higher(level(first), level(second), f"{level(first)} against {level(second)}")


@pytest.mark.parametrize("both_orders", [False, True])
@pytest.mark.parametrize("levels", [(10, 20, 30, 40), (40, 10, 20, 30), (10, 40, 30, 20), (7,)])
def test_the_best_wins_in_one_comparison_less_than_candidates(levels, both_orders):
    chosen = select("brighter", ORIGINAL, grey(*levels), brighter, both_orders)
    assert levels[chosen.winner] == max(levels)
    assert len(chosen.comparisons) == len(levels) - 1
    assert chosen.undecided == 0


def test_every_comparison_is_the_champion_against_the_next():
    chosen = select("brighter", ORIGINAL, grey(20, 10, 30, 5), brighter)
    assert [(c.champion, c.challenger, c.winner) for c in chosen.comparisons] == [(0, 1, 0), (0, 2, 2), (2, 3, 2)]
    assert chosen.comparisons[1].reason == "20 against 30"


def test_a_judge_gets_pictures_of_its_own():
    def careless(instruction, original, first, second):
        answer = brighter(instruction, original, first, second)
        for picture in (original, first, second):
            picture.thumbnail((8, 8))
            picture.paste("black", (0, 0, *picture.size))
        return answer

    original, candidates = ORIGINAL.copy(), grey(10, 30, 20)
    assert select("brighter", original, candidates, careless).winner == 1
    assert [picture.size for picture in (original, *candidates)] == [ORIGINAL.size] * 4
    assert [level(picture) for picture in candidates] == [10, 30, 20]


def test_undecided_keeps_the_champion():
    chosen = select("brighter", ORIGINAL, grey(20, 20, 30, 30), brighter)
    assert chosen.winner == 2
    assert (chosen.undecided, chosen.ties) == (2, 2)
    found = json.loads(json.dumps(chosen.record()))
    assert (found["winner"], found["undecided"]) == (2, 2)
    assert [(one["champion"], one["challenger"], one["winner"]) for one in found["comparisons"]] == [
        (0, 1, None), (0, 2, 2), (2, 3, None),
    ]  # fmt: skip
    assert [one["reason"] for one in found["comparisons"]] == ["20 against 20", "20 against 30", "30 against 30"]
    assert found["comparisons"][1]["answers"] == [{"winner": 2, "reason": "20 against 30"}]


def test_a_judge_that_favours_a_side_decides_nothing_when_asked_both_ways():
    def second(instruction, original, first, second):
        return Verdict(2, "the right one is nicer")

    candidates = grey(1, 2, 3)
    assert select("x", ORIGINAL, candidates, second).winner == 2
    chosen = select("x", ORIGINAL, candidates, second, both_orders=True)
    assert (chosen.winner, chosen.undecided) == (0, 2)
    assert "contradicts itself" in chosen.comparisons[0].reason
    answers = chosen.record()["comparisons"][0]["answers"]
    assert [answer["winner"] for answer in answers] == [2, 2]


def test_one_order_undecided_is_undecided():
    def shy(instruction, original, first, second):
        return Verdict(2, "brighter") if level(second) > level(first) else Verdict(None, "cannot say")

    chosen = select("x", ORIGINAL, grey(1, 2), shy, both_orders=True)
    assert (chosen.winner, chosen.undecided) == (0, 1)
    assert chosen.comparisons[0].reason == "undecided when swapped: cannot say"


def test_a_judge_that_fails_loses_nothing():
    def broken(instruction, original, first, second):
        if level(second) == 2:
            raise RuntimeError("the network is down.\nTraceback and a page of it")
        return 1 if level(second) == 3 else Verdict(2, "fine")

    chosen = select("x", ORIGINAL, grey(1, 2, 3, 4), broken)
    assert (chosen.winner, chosen.undecided) == (3, 2)
    assert [c.reason for c in chosen.comparisons] == [
        "the judge failed (the network is down)",
        "the judge answered with a int instead of a Verdict",
        "fine",
    ]


def test_a_person_can_still_interrupt():
    def interrupted(instruction, original, first, second):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        select("x", ORIGINAL, grey(1, 2), interrupted)


def test_nothing_to_select_from():
    with pytest.raises(InputError, match="nothing to select from"):
        select("x", ORIGINAL, [], brighter)
    with pytest.raises(ValueError, match="1, 2 or None"):
        Verdict(3, "?")


@pytest.mark.parametrize("winner", [0, 2])
def test_the_contact_sheet_frames_the_winner_only(winner):
    levels = 50, 100, 150
    candidates = grey(*levels)
    sheet = np.asarray(contact_sheet(ORIGINAL.resize((80, 60)), candidates, ["0", "1", "2"], winner))
    framed = np.flatnonzero(np.all(sheet == WINNER_COLOR, axis=-1).any(axis=0))
    row = sheet[sheet.shape[0] // 3, :, 0]
    inside = set(row[framed.min() : framed.max() + 1].tolist()) & set(levels)
    assert inside == {levels[winner]}
    assert all((row == level).sum() == 40 for level in levels)  # whole, at their own size
    with pytest.raises(ValueError, match="zip"):
        contact_sheet(ORIGINAL, candidates, ["0"], 0)


def test_a_judge_has_a_time_for_all_comparisons(monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("flowedit_grag.judges.selection.time", SimpleNamespace(monotonic=lambda: next(clock)))

    class Slow:
        patience, asked = 25, 0

        def __call__(self, *shown):
            self.asked += 1
            return Verdict(2, "greener")

    chosen = select("", ORIGINAL, [ORIGINAL] * 5, slow := Slow())
    assert (slow.asked, chosen.winner, chosen.undecided) == (2, 2, 2)
    assert chosen.comparisons[-1].reason == "not asked: the judge's 25 seconds for all comparisons were over"
