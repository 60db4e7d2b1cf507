"""``${...}`` in configs: other values of the same config, and with leave the environment's."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import takewhile
from typing import Any

from omegaconf import OmegaConf
from omegaconf.grammar_parser import parse

from .errors import InputError
from .hidden import NAMED, address, from_environment

HELD = re.compile("\0(\\w+)\0")  # a variable's name, while all else is resolved
Change = Callable[[str], str]
At = Callable[..., AbstractContextManager]
Keys = tuple[str, ...]
MOST = 100_000  # characters that all references may come to
LOOK_UP = 20  # characters, as many as one reference counts for besides what it stands for


def resolved(config: Any, at: At, allow_env: bool = False) -> Any:
    """The values of an OmegaConf ``config``. ``${model}`` is another of its values.

    ``${oc.env:NAME}`` is looked up if ``allow_env``, and is shown as it is written wherever it comes to; addresses are
    shown without what lets in there. Other resolvers run code, or read what lies outside of the config. Raises
    :class:`InputError` for them and for what :func:`_check_references` refuses, ``at(*keys)`` of where it is, and
    whatever OmegaConf raises.
    """

    def hold(text: str) -> str:
        if resolver := _resolver(NAMED.sub("", text)):
            raise InputError(
                f"{text!r} asks for {resolver!r}; a config may name values of its own, as in ${{model}}, and variables "
                "of the environment, as in ${oc.env:NAME}."
            )
        return NAMED.sub("\0\\1\0", text)

    def look_up(text: str) -> str:
        return address(_looked_up(HELD.sub(r"${oc.env:\1}", text), allow_env))

    held = _changed(OmegaConf.to_container(config), hold, at)
    _check_references(held, at)
    return _changed(OmegaConf.to_container(OmegaConf.create(held), resolve=True), look_up, at)


def _looked_up(text: str, allow_env: bool) -> str:
    if NAMED.search(text) and not allow_env:
        raise InputError(f"{text!r} is in the environment, where only a run looks, and only with --allow-env.")
    try:
        return from_environment(text, os.environ)
    except KeyError as error:
        raise InputError(f"there is no {error.args[0]!r} in the environment, for {text!r}.") from None


def _resolver(text: str) -> str | None:
    """The first resolver that ``text`` asks for."""
    asked = next(_parsed(text, "InterpolationResolverContext"), None)
    return None if asked is None else asked.getText()[2:].partition(":")[0]


def _parsed(text: str, kind: str) -> Iterator[Any]:
    """The nodes of a ``kind`` in OmegaConf's syntax tree of ``text``."""
    todo: list[Any] = [parse(text)] if "${" in text else []
    while todo:
        node = todo.pop()
        if type(node).__name__ == kind:
            yield node
        todo += reversed([*node.getChildren()] if hasattr(node, "getChildren") else [])


def _check_references(root: Any, at: At) -> None:
    """Raise :class:`InputError` for a reference to nothing, to itself, or to too much: OmegaConf resolves a value anew
    for each reference to it, and so a few lines of references to references would never end."""
    sizes: dict[Keys, int] = {}
    being_sized: set[Keys] = set()
    come_to = 0

    def size(keys: Keys, value: Any) -> int:
        if keys not in sizes:
            being_sized.add(keys)
            inside = [size((*keys, name), found) for name, found in _inside(value).items()]
            sizes[keys] = sum(inside) if inside else of_text(keys, value) if isinstance(value, str) else 1
            being_sized.remove(keys)
        return sizes[keys]

    def of_text(keys: Keys, text: str) -> int:
        nonlocal come_to
        characters = len(text)
        for reference in _parsed(text, "InterpolationNodeContext"):
            target, value = _target(root, keys, reference, at)
            if target in being_sized:
                refuse(keys, "is made of itself, or may be, by what it refers to")
            characters += LOOK_UP + size(target, value)
            if come_to + characters > MOST:
                refuse(keys, f"refers to what refers to more in turn, together to over {MOST} characters")
        come_to += characters if characters > len(text) else 0
        return characters

    def refuse(keys: Keys, why: str) -> None:
        with at(*keys):
            raise InputError(f"{'.'.join(keys)} {why}; write it out.")

    size((), root)


def _target(root: Any, keys: Keys, reference: Any, at: At) -> tuple[Keys, Any]:
    """Where a parsed ``reference`` in the text at ``keys`` leads, and what is there; as far as can be told without
    resolving others."""
    signs = [child.getText() for child in reference.getChildren()][1:-1]  # without ${ and }
    dots = len(list(takewhile(lambda sign: sign == ".", signs)))  # as many as levels to go up
    above = keys[: max(0, len(keys) - dots)] if dots else ()
    found: Keys = ()
    value = root
    for name in (*above, *(sign for sign in signs if sign not in (".", "[", "]"))):
        if "${" in name or isinstance(value, str):
            break
        if name not in (inside := _inside(value)):
            with at(*keys):
                raise InputError(f"{reference.getText()!r} is no value of the config.")
        found, value = (*found, name), inside[name]
    return found, value


def _inside(value: Any) -> dict[str, Any]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {str(name): found for name, found in pairs}


def _changed(values: Any, change: Change, at: At, keys: tuple[str, ...] = ()) -> Any:
    """``values`` with a change to every text in them."""
    if isinstance(values, dict):
        return {key: _changed(value, change, at, (*keys, str(key))) for key, value in values.items()}
    if isinstance(values, list):
        return [_changed(value, change, at, (*keys, str(index))) for index, value in enumerate(values)]
    if not isinstance(values, str):
        return values
    with at(*keys):
        return change(values)
