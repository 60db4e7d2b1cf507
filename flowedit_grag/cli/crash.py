"""What is left of an exception that nobody expected: a file for whoever mends it."""

import os
import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from ..hidden import MASK, masked

PACKAGE = "flowedit-grag"
LIBRARIES = (PACKAGE, "torch", "diffusers", "transformers", "peft", "numpy", "pillow")
SECRET = re.compile(
    r"(?<=\?)[^\s#'\"]+(?=['\"\s]|$)"  # what is asked at an address
    r"|\b(?:hf_|sk-|gh[a-z]_|github_pat_|xox[a-z]-|AKIA|eyJ)[\w./+=-]{8,}"  # tokens, as services write them
    r"|(?i:(?<=bearer )|(?<=token=)|(?<=key=)|(?<=secret=)|(?<=password=)|(?<=passwd=))[^\s'\",]+"
)
LONGEST = 100_000  # characters of a traceback, of which the end says most


def record_crash(error: BaseException, words: Sequence[str]) -> Path | None:
    """Write a file with the traceback of ``error``, versions and the command line ``words``, all without what looks
    like a secret; ``None`` where no file can be written."""
    told = "".join(traceback.format_exception(error))
    versions = "\n".join(f"{name} {_version(name)}" for name in LIBRARIES)
    system = f"Python {platform.python_version()}, {platform.platform()}"
    text = f"{' '.join(words)}\n\n{told[-LONGEST:]}\n{system}\n{versions}\n"
    try:
        descriptor, path = tempfile.mkstemp(prefix=f"{PACKAGE}-", suffix=".txt", text=True)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(without_secrets(text))
    except OSError:
        return None
    return Path(path)


def without_secrets(text: str) -> str:
    """``text`` with ``***`` for what lets in somewhere: users and passwords in addresses, tokens, values of keys."""
    for name, value in os.environ.items():
        if re.search("TOKEN|KEY|SECRET|PASSW", name) and len(value) >= 8:
            text = text.replace(value, MASK)
    return SECRET.sub(MASK, masked(text))


def crashed(error: BaseException, words: Sequence[str]) -> str:
    """The sentence that ends the command."""
    path = record_crash(error, words)
    kind = type(error).__name__
    if path is None:
        print(without_secrets("".join(traceback.format_exception(error))[-LONGEST:]), file=sys.stderr)
    with_file = "the traceback above" if path is None else f"the file {path}"
    return f"{kind}, which is a mistake of {PACKAGE} and none of yours; please report it, with {with_file}, {_where()}."


def _where() -> str:
    """Where the package's metadata says, if they say so."""
    try:
        urls = metadata(PACKAGE).get_all("Project-URL") or []
    except PackageNotFoundError:
        urls = []
    found = [url.partition(",")[2].strip() for url in urls if url.lower().startswith("issues")]
    return f"at {found[0]}" if found else "as an issue of its project"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not installed"
