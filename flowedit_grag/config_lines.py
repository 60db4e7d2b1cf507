"""YAML that people write: where each key stands, for errors that say so, and what no key can be."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from .errors import InputError, first_line

MOST_TEXT = 250_000  # characters of a config, of which a thousand rows have half
MOST = 100_000  # values: aliases of aliases can stand for more than any machine can hold
DEEPEST = 50  # keys or brackets within each other
LONGEST = 100_000  # characters of a text
LARGEST = 2**63  # of whole numbers: what a machine's integers hold
UNPRINTED = re.compile("[\x00\ud800-\udfff]")

Keys = tuple[str, ...]


class ShallowLoader(yaml.SafeLoader):
    """Raises :class:`yaml.MarkedYAMLError` for brackets within brackets within brackets: the scanner's time grows with
    the square of their number."""

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        super().fetch_flow_collection_start(TokenClass)
        if self.flow_level > DEEPEST:
            raise yaml.MarkedYAMLError(
                problem=f"brackets within each other, over {DEEPEST}", problem_mark=self.get_mark()
            )


@dataclass(frozen=True)
class ConfigLines:
    """The line of each key (and list item) of a file, by the keys that lead there."""

    file: str
    lines: Mapping[Keys, int]
    typed: frozenset[Keys] = frozenset()  # what the command line has changed

    def of(self, *keys: str) -> str:
        """``table.yaml, line 7``: of what ``keys`` lead to, or else of the nearest above it that the file has."""
        ways = [keys[:end] for end in range(len(keys), 0, -1)]
        if any(way in self.typed for way in ways):
            return "the command line"
        return next((f"{self.file}, line {self.lines[way]}" for way in ways if way in self.lines), self.file)

    @contextmanager
    def at(self, *keys: str) -> Iterator[None]:
        """Put the place before what an :class:`InputError` says."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{self.of(*keys)}: {error}") from None


def config_lines(file: Path) -> tuple[str, ConfigLines]:
    """What the YAML ``file`` says, and where its keys are.

    Raises :class:`InputError` for what cannot be read, is not YAML, is not made of keys, or contains itself.
    """
    try:
        with open(file, encoding="utf-8") as opened:
            text = opened.read(MOST_TEXT + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not a config in YAML ({first_line(error)}).") from None
    if len(text) > MOST_TEXT:
        raise InputError(f"{file} has more than {MOST_TEXT} characters, which take long to read; make it shorter.")
    try:
        root = yaml.compose(text, ShallowLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}," if mark else ""
        raise InputError(f"{file}{line} is not YAML ({error.problem or error.context}).") from None
    except RecursionError:
        raise InputError(f"{file} is nested more than {DEEPEST} deep.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{file} is not YAML ({first_line(error)}).") from None
    if not isinstance(root, yaml.MappingNode):
        raise InputError(f"{file} must be made of 'key: value' lines.")
    lines: dict[Keys, int] = {}
    for count, (keys, number) in enumerate(_walk(root, (), (), str(file))):
        lines.setdefault(keys, number)
        if count > MOST:
            raise InputError(f"{file} has more than {MOST} values; its aliases multiply.")
    return text, ConfigLines(str(file), lines)


def merged(values: Any, changes: Mapping[str, Any], file: Path) -> Any:
    """The OmegaConf config ``values`` of ``file`` with ``changes``, which are blamed where they do not fit."""
    for key, change in changes.items():
        try:
            values = OmegaConf.merge(values, {key: change})
        except Exception as error:  # OmegaConf lets Python's own through
            why = first_line(error)
            raise InputError(f"the command line: {key} does not fit what {file} has there ({why}).") from None
    return values


def check_values(values: Any, lines: ConfigLines) -> None:
    """Raise :class:`InputError`, naming the place, for values that no key can have: what is nested too deeply, numbers
    and texts that are too long, and characters that neither a name nor a prompt has."""
    left: list[tuple[Keys, Any]] = [((), values)]
    while left:
        keys, value = left.pop()
        key = keys[-1] if keys else ""
        with lines.at(*keys):
            if len(keys) > DEEPEST:
                raise InputError(f"{keys[0]} is nested more than {DEEPEST} deep.")
            if isinstance(value, int) and abs(value) >= LARGEST:
                raise InputError(f"{key} has a number of more than 18 digits.")
            if isinstance(value, str) and (len(value) > LONGEST or UNPRINTED.search(value)):
                what = f"more than {LONGEST} characters" if len(value) > LONGEST else "a character that is none"
                raise InputError(f"{key} has {what}; shorten or mend it.")
        if isinstance(value, Mapping):
            left += [((*keys, str(inside)), inside) for inside in value]
            left += [((*keys, str(inside)), found) for inside, found in value.items()]
        elif isinstance(value, list | tuple):
            left += [((*keys, str(index)), found) for index, found in enumerate(value)]


def _walk(node: yaml.Node, keys: Keys, above: tuple[int, ...], file: str) -> Iterator[tuple[Keys, int]]:
    """Keys and line, from 1, of every value in ``node``; ``above`` are the nodes that it lies in."""
    if len(above) > DEEPEST:
        line = node.start_mark.line + 1
        raise InputError(f"{file}, line {line}: {keys[0]} is nested more than {DEEPEST} deep.")
    if id(node) in above:
        line = node.start_mark.line + 1
        raise InputError(f"{file}, line {line}: {'.'.join(keys)} contains itself (an alias of what it stands in).")
    if isinstance(node, yaml.MappingNode):
        inside = [(str(key.value), key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        inside = [(str(index), value, value) for index, value in enumerate(node.value)]
    else:
        return
    for name, place, value in inside:
        yield (*keys, name), place.start_mark.line + 1
        yield from _walk(value, (*keys, name), (*above, id(node)), file)
