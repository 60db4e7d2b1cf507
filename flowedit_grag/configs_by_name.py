"""The configs that come with the package, by name: ``lab/table1``."""

import os
from difflib import get_close_matches
from pathlib import Path

from .errors import InputError

_PACKAGE = Path(__file__).parent
ENDING = ".yaml"


def config_folder() -> Path:
    """In an installed package the configs lie in it; in a checkout, beside it."""
    inside = _PACKAGE / "configs"
    return inside if inside.is_dir() else _PACKAGE.parent / "configs"


def config_names() -> list[str]:
    """All names that :func:`find_config` knows, sorted."""
    folder = config_folder()
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob(f"*{ENDING}"))


def find_config(name: str | Path) -> Path:
    """The file at ``name``, or else the package's config of that name; ``.yaml`` may be left out.

    Raises :class:`InputError` with the likeliest name where there is neither.
    """
    given = Path(name)
    for path in (given, config_folder() / given):
        for file in (path, Path(f"{path}{ENDING}")):
            if os.path.isfile(file):  # unlike Path.is_file, also false for names that are too long
                return file
    if os.path.exists(given) and not os.path.isdir(given):
        raise InputError(f"{given} is a device or a pipe; give a file in YAML.")
    names = config_names()
    close = get_close_matches(given.as_posix().removesuffix(ENDING).removeprefix("configs/"), names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known by name: {', '.join(names)}."
    raise InputError(f"there is no config at {given}; {hint}")
