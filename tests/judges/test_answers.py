"""What is understood of a model's answer, and what is not guessed."""

import time
from types import SimpleNamespace

import pytest

from flowedit_grag.errors import InputError
from flowedit_grag.judges import Verdict
from flowedit_grag.judges.answers import json_in
from flowedit_grag.judges.openai import _verdict
from flowedit_grag.metrics.asking import Question, numbers

UNDERSTOOD = {
    "a line break in the reason": '{"winner": 2, "reason": "it is\ngreen"}',
    "a comma too many": '{"winner": 2, "reason": "it is green",}',
    "single quotes": "{'winner': 2, 'reason': 'it is green, \"truly\"'}",
    "quotes and a line break": "Here:\n{'winner': 2,\n 'reason': 'it is\n green',\n}\nDone.",
    "no quotes": "{winner: 2, reason: it is green}",
    "a number as text": '{"winner": "2", "reason": "it is green"}',
    "thoughts": 'Let me <think>{"winner": 1} or {"winner": 2}?</think>\n{"winner": 2, "reason": "it is green"}',
    "thoughts in capitals": '<THINK>{"winner": 1}</THINK>{"winner": 2, "reason": "it is green"}',
    "thoughts by another name": '<thinking>{"winner": 1}</thinking>{"winner": 2, "reason": "it is green"}',
    "an empty text": "{'winner': 2, 'reason': 'it is green', 'doubts': ''}",
    "thoughts that began before": 'maybe {"winner": 1}</think> {"winner": 2, "reason": "it is green"}',
    "a second thought": '{"winner": 1, "reason": "red"} No, wait: {"winner": 2, "reason": "it is green"}',
    "words in brackets": 'The {best} is {"winner": 2, "reason": "it is green {truly}"} of {all}.',
    "a fence": '```json\n{"winner": 2, "reason": "it is green"}\n```',
    "an object in the reason": '{"winner": 2, "reason": "it is green, not {\\"winner\\": 1}"}',
}
AMBIGUOUS = {
    "nothing": "",
    "words": "the second one",
    "thoughts without an end": '<think>it may be {"winner": 2, "reason": "green"}',
    "a key twice": '{"winner": 1, "winner": 2}',
    "a key twice, single quotes": "{'winner': 1, 'winner': 2}",
    "thoughts in capitals without an end": '<THINK>it may be {"winner": 2, "reason": "green"}',
    "another base": '{"winner": 0x1}',
    "a zero before": '{"winner": 01}',
    "a letter between digits": '{"winner": 1_0, "reason": "red",}',
    "yes": "{winner: yes}",
    "sixties": "{winner: 0:1}",
    "a comment": '{"winner": 1, // first\n "reason": "red"}',
    "a comment that says more": '{"winner": 1, // winner: 2\n}',
    "nothing said of the reason": '{"winner": 1, "reason": }',
    "the last one empty": '{"winner": 1, "reason": "red"} {"winner": }',
    "cut off": '{"winner": 2, "rea',
    "cut off inside": '{"answer": {"winner": 2}, "rea',
    "the last one broken": '{"winner": 1, "reason": "red"} or rather {"winner": 2, "reason": "gr',
    "one of two": '{"winner": 1 or 2, "reason": "both"}',
    "an object within": '{"answer": {"winner": 2}}',
    "a share": '{"winner": "2/2"}',
    "true": "{'winner': True}",
    "nested": "{" * 10_000,
    "an alias of itself": "{winner: &a [*a]}",
    "code": "{winner: !!python/name:os.system 1}",
    "long": "{winner: 2, reason: " + "x" * 30_000 + "}",
}


def verdict(said):
    """As the judge says it."""
    try:
        return _verdict(json_in(said))
    except InputError as error:
        return Verdict(None, str(error))


@pytest.mark.parametrize("kind", UNDERSTOOD)
def test_clear_answers_are_understood(kind):
    found = _verdict(json_in(UNDERSTOOD[kind]))
    assert found.winner == 2
    assert found.reason.startswith("it is green")


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_other_answers_are_undecided_with_a_reason(kind):
    found = verdict(AMBIGUOUS[kind])
    assert found.winner is None
    assert found.reason


def question(scores, top):
    return Question("?", scores=scores, top=top)


@pytest.mark.parametrize(("said", "top", "found"), [
    ("8/10", 10, 8.0), (" 8 / 10 ", 10, 8.0), ("8.5/10", 10, 8.5), ("8", 10, 8.0), ("20/25", 25, 20.0), (8, 10, 8.0),
])  # fmt: skip
def test_a_score_of_the_asked_scale_is_a_number(said, top, found):
    assert numbers({"score": said}, question(1, top)) == (found,)
    assert numbers({"score": [said, said]}, question(2, top)) == (found, found)


@pytest.mark.parametrize("said", [
    "8/100", "8/5", "11/10", "80%", "eight", "-1", "8-9", "8/10/10", "nan", "1e0", "", None, True, "8" * 99, ["8/10"],
    "08", "0x8", "1_0", "\u0668",
])  # fmt: skip
def test_other_scores_are_missing(said):
    with pytest.raises(InputError, match="has not 1 score"):
        numbers({"score": [said]}, question(1, 10))


@pytest.mark.parametrize("said", ["0x8", "08", "1_0", "0o10", "1:30", "yes", "", "8 // or 9"])
def test_numbers_are_those_of_json(said):
    with pytest.raises(InputError):
        numbers(json_in(f'{{"score": "8/10"}} {{"score": {said},}}'), question(1, 100))
    assert numbers(json_in('{"score": [8.5, 9, 1e1],}'), question(3, 10)) == (8.5, 9.0, 10.0)


def test_an_answer_is_read_in_bounded_time():
    for said in ("{" * 20_000, "{a:" * 6000, "{}" * 9000, "{:}" * 6000, "<think>" * 9999, SimpleNamespace()):
        began = time.monotonic()
        found = verdict(said)
        assert found.winner is None
        assert 0 < len(found.reason) <= 300
        assert time.monotonic() - began < 5
