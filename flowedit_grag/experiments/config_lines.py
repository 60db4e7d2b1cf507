"""Where in a YAML file each key stands, for errors that say so."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..errors import InputError, first_line

MOST = 100_000  # values: aliases of aliases can stand for more than any machine can hold

Keys = tuple[str, ...]


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


def config_lines(text: str, file: Path) -> ConfigLines:
    """Find the keys in the YAML ``text`` of ``file``.

    Raises :class:`InputError` for what is not YAML, is not made of keys, or contains itself.
    """
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}," if mark else ""
        raise InputError(f"{file}{line} is not YAML ({error.problem or error.context}).") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{file} is not YAML ({first_line(error)}).") from None
    if not isinstance(root, yaml.MappingNode):
        raise InputError(f"{file} must be made of 'key: value' lines.")
    lines: dict[Keys, int] = {}
    for count, (keys, number) in enumerate(_walk(root, (), (), str(file))):
        lines.setdefault(keys, number)
        if count > MOST:
            raise InputError(f"{file} has more than {MOST} values; its aliases multiply.")
    return ConfigLines(str(file), lines)


def _walk(node: yaml.Node, keys: Keys, above: tuple[int, ...], file: str) -> Iterator[tuple[Keys, int]]:
    """Keys and line, from 1, of every value in ``node``; ``above`` are the nodes that it lies in."""
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
