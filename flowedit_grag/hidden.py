"""Text that is used and never shown: what a config takes from the environment, and what an address lets in with."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

NAMED = re.compile(r"\$\{oc\.env:\s*(\w+)\s*\}")
USER = re.compile(r"(?<=://)[^\s/?#]*(?=@)")
ADDRESS = re.compile(r"(?:(?<=[:@]//)|(?<=^//))(?:(.*)@)?([^?#;]*)(?:([?#;])(.*))?", re.DOTALL)
MASK = "***"
LEAST = 4  # characters, below which a secret is none, and would be found in any message
SHORT = 8  # characters, below which a secret is hidden as a word only: it may be part of many
_known: dict[str, str] = {}  # what this process hides, and what is shown in its place


class HiddenText(str):
    """Text that shows itself as ``shown``, in records, configs and keys by :func:`shown`, in messages by
    :func:`masked`. All else that is made of it is what it stands for."""

    shown: str
    secrets: Mapping[str, str]

    def __new__(cls, value: str, shown: str, secrets: Mapping[str, str]):
        made = super().__new__(cls, value)
        made.shown, made.secrets = shown, secrets
        _known.update((secret, instead) for secret, instead in secrets.items() if len(secret) >= LEAST)
        return made

    def __repr__(self) -> str:
        return repr(self.shown)

    def __reduce__(self):  # so that another process hides it too
        return type(self), (str(self), self.shown, self.secrets)


def from_environment(text: str, environment: Mapping[str, str]) -> str:
    """``text`` with the values of the variables that it names, which are shown as they are written. Raises
    :class:`KeyError` for one that is not in the ``environment``."""
    if not (secrets := {environment[found[1]]: found[0] for found in NAMED.finditer(text)}):
        return text
    value = NAMED.sub(lambda found: environment[found[1]], text)
    return HiddenText(value, _without_access(text), {**_access(value), **secrets})


def address(text: str) -> str:
    """``text`` with an address in it, of which only the server and the path are shown. Whatever may be a user and
    password (to the last ``@``) or a query (from the first of ``?#;``) is :data:`MASK`, whether or not it is well
    written."""
    if isinstance(text, HiddenText) or not (secrets := _access(text)):
        return text
    return HiddenText(text, _without_access(text), secrets)


def shown(values: Any) -> Any:
    """Plain values, or what is made of them, as they may be written down."""
    if isinstance(values, HiddenText):
        return values.shown
    if isinstance(values, Mapping):
        return {key: shown(value) for key, value in values.items()}
    return type(values)(map(shown, values)) if type(values) in (list, tuple) else values


def masked(text: str) -> str:
    """A message from anywhere, without what this process hides."""
    for secret in sorted(_known, key=len, reverse=True):
        for form in {secret, repr(secret)[1:-1]}:
            word = re.escape(form) if len(form) >= SHORT else rf"(?<!\w){re.escape(form)}(?!\w)"
            text = re.sub(word, _known[secret].replace("\\", r"\\"), text)
    return USER.sub(MASK, text)


def masked_in(values: Any) -> Any:
    """Plain values with every text in them masked."""
    if isinstance(values, Mapping):
        return {key: masked_in(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [masked_in(value) for value in values]
    return masked(shown(values)) if isinstance(values, str) else values


def _without_access(text: str) -> str:
    return ADDRESS.sub(_shown_address, text)


def _shown_address(found: re.Match[str]) -> str:
    user, place, sign, query = found.groups("")
    return (f"{MASK}@" if user else "") + place + sign + (MASK if query else "")


def _access(text: str) -> dict[str, str]:
    """What lets in at the address in ``text``, as it is written and as it is meant."""
    if not (found := ADDRESS.search(text)):
        return {}
    user, _, _, query = found.groups("")
    users = (user, user.partition(":")[2])
    parts = (*users, *map(unquote, users), query, *(value for _, value in parse_qsl(query)))
    return {part: MASK for part in parts if part}
