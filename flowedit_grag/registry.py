"""Things by name, imported when asked for, and made of options that are checked."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from .errors import InputError, first_line, unknown
from .options import make

Made = TypeVar("Made")
_imports = ContextVar("imports", default=True)


@contextmanager
def names_only() -> Iterator[None]:
    """Inside, nothing can be named by an address: it would import code, and who names it may be a stranger."""
    token = _imports.set(False)
    try:
        yield
    finally:
        _imports.reset(token)


@dataclass(frozen=True)
class Registry:
    """A table of name -> ``"module:attribute"``, relative to ``package``.

    Whatever is not in the table can be named by its full address, ``"my_package.my_file:MyThing"``, so that
    something new needs no line here.
    """

    kind: str
    package: str
    table: dict[str, str]

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def __getitem__(self, name: str) -> Any:
        """The thing called ``name``. Raises :class:`InputError` for a name that leads nowhere."""
        if not isinstance(name, str) or (name not in self.table and ":" not in name):
            raise unknown(self.kind, name, self.table)
        address = self.table.get(name)
        if address is None and not _imports.get():
            raise InputError(f"the {self.kind} {name!r} is code to be imported; give --allow-imports if you trust it.")
        module, _, attribute = (address or name).partition(":")
        if not address and not all(part.isidentifier() for part in (*module.split("."), attribute)):
            advice = "an address is written 'my_package.my_file:MyThing'"
            raise InputError(f"cannot import the {self.kind} {name!r}: {advice}.")
        try:
            found = import_module(f".{module}", self.package) if address else import_module(module)
            return getattr(found, attribute)
        except (Exception, SystemExit) as error:  # a file of one's own may fail in any way, or be a script that exits
            kind = "" if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: "
            raise InputError(f"cannot import the {self.kind} {name!r}: {kind}{first_line(error)}.") from error

    def name_of(self, kind: type) -> str:
        """What :meth:`class_of` finds the class by: its name, or the address of one's own."""
        return next((name for name in self if self[name] is kind), f"{kind.__module__}:{kind.__qualname__}")

    def class_of(self, name: str | type, base: type[Made]) -> type[Made]:
        """The class called ``name`` (or ``name`` itself), which must be derived from ``base``."""
        found = name if isinstance(name, type) else self[name]
        if not (isinstance(found, type) and issubclass(found, base)):
            derived = "" if base is object else f" derived from {base.__module__}.{base.__qualname__}"
            raise InputError(f"{name!r} is no {self.kind}; it must be a class{derived}.")
        return found

    def make(self, name: str | type, options: Mapping[str, Any], base: type[Made]) -> Made:
        """The thing called ``name``, made of ``options``.

        Raises :class:`InputError` for a name that leads nowhere or to something else than a class derived from
        ``base``, for options that are unknown or missing, and for whatever the class refuses.
        """
        shown = name.__name__ if isinstance(name, type) else name
        return make(self.class_of(name, base), options, f"the {self.kind} {shown}")
