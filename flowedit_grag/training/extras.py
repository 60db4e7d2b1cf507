"""Packages that only training needs."""

from importlib import import_module
from types import ModuleType

from ..errors import InputError


def needed(name: str) -> ModuleType:
    """The module called ``name``. Raises :class:`InputError` that says how to install it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(f"training needs {name} ({error}); pip install 'flowedit-grag[train]'.") from None
