"""``${...}`` in configs: other values of the same config, and with leave the environment's."""

import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from omegaconf import OmegaConf
from omegaconf.grammar_parser import parse

from .errors import InputError
from .hidden import NAMED, address, from_environment

HELD = re.compile("\0(\\w+)\0")  # a variable's name, while all else is resolved
Change = Callable[[str], str]
At = Callable[..., AbstractContextManager]


def resolved(config: Any, at: At, allow_env: bool = False) -> Any:
    """The values of an OmegaConf ``config``. ``${model}`` is another of its values.

    ``${oc.env:NAME}`` is looked up if ``allow_env``, and is shown as it is written wherever it comes to; addresses are
    shown without what lets in there. Other resolvers run code, or read what lies outside of the config. Raises
    :class:`InputError` for them, ``at(*keys)`` of where it is, and whatever OmegaConf raises.
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
    todo: list[Any] = [parse(text)] if "${" in text else []
    while todo:
        node = todo.pop()
        if type(node).__name__ == "InterpolationResolverContext":
            return node.getText()[2:].partition(":")[0]
        todo += reversed([*node.getChildren()] if hasattr(node, "getChildren") else [])
    return None


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
