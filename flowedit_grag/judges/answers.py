"""What a model answers, read as JSON as far as it is clear what it says."""

import json
import re
from contextlib import suppress
from typing import Any, ClassVar

import yaml

from ..errors import InputError

NO_JSON = "the answer is not the JSON that was asked for"
LONGEST = 20_000  # characters of an answer that is not plain JSON, without what the model thought before
WHOLE = r"(?:0|[1-9][0-9]*)"
NUMBER = re.compile(rf"({WHOLE}(?:\.[0-9]+)?)(?:\s*/\s*([0-9]+))?")
KEY = re.compile(r"\w[\w -]*")
THOUGHT = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)


class JSONScalars(yaml.SafeLoader):
    """YAML in which numbers, truths and null are JSON's, and all else is text: ``0x1``, ``01``, ``1_0``, ``yes``."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


for tag, pattern, first in (
    ("bool", "true|false", "tf"), ("null", "null", "n"), ("int", f"-?{WHOLE}", "-0123456789"),
    ("float", rf"-?{WHOLE}(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)", "-0123456789"),
):  # fmt: skip
    JSONScalars.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), list(first))


def json_in(said: Any) -> Any:
    """The JSON in an answer: all of it, or else the last object that is not within another, in a fence or between
    words; not what the model thought before. Line breaks in texts, commas too many and other quotation marks are
    understood. Raises :class:`InputError` where there is none, where the last is broken, or says something twice."""
    try:
        with suppress(ValueError):
            return json.loads(said, strict=False, object_pairs_hook=_once)
        answer = _without_thoughts(said)
        if len(answer) <= LONGEST and (found := _last_object(answer)) is not None:
            return found
    except (TypeError, AttributeError, RecursionError):
        pass
    raise InputError(f"{NO_JSON}: {said}")


def score(said: Any, top: float) -> Any:
    """``"8"`` and ``"8/10"``, if ``top`` is 10, as 8.0; all else as it is."""
    found = NUMBER.fullmatch(said.strip()) if isinstance(said, str) and len(said) < 20 else None
    return float(found[1]) if found and (found[2] is None or float(found[2]) == top) else said


def _without_thoughts(said: str) -> str:
    """What follows the last thought that ended, up to the next that begins."""
    marks = list(THOUGHT.finditer(said))
    start = max((mark.end() for mark in marks if mark[1]), default=0)
    return said[start : min((mark.start() for mark in marks if mark.start() >= start), default=len(said))]


def _last_object(answer: str) -> dict[str, Any] | None:
    last, start = None, answer.find("{")
    while start >= 0:
        try:
            last, end = json.JSONDecoder(strict=False, object_pairs_hook=_once).raw_decode(answer, start)
        except ValueError:
            end = _end(answer, start)
            last = _lenient(answer[start:end]) if ":" in answer[start:end] else last  # {this} is only a word
        start = answer.find("{", end)
    return last


def _end(answer: str, start: int) -> int:
    """Behind the bracket that closes the one at ``start``; at the very end where none does."""
    depth = 0
    for found in re.finditer("[{}]", answer[start:]):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return start + found.end()
    return len(answer)


def _lenient(text: str) -> dict[str, Any] | None:
    """An object in YAML, of which what people write for JSON is a part; ``None`` where that may be what was not meant:
    a key that is there twice, that is no word (a comment), or that nothing is said of."""
    try:
        line = " ".join(text.split())
        pairs = yaml.compose(line, JSONScalars).value
        names = [name.value for name, value in pairs if KEY.fullmatch(name.value) and (value.value or value.style)]
        return yaml.load(line, JSONScalars) if len(pairs) == len(set(names)) else None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError):
        return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key is there twice")
    return found
