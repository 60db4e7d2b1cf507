"""Names for things that live one to a file, imported when asked for."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .errors import InputError, unknown


@dataclass(frozen=True)
class Registry:
    """A table of name -> ``"module:attribute"``, relative to ``package``.

    Whatever is not in the table can be named by its full address, ``"my_package.my_file:MyThing"``, so that
    something new needs no line here.
    """

    kind: str
    package: str
    table: dict[str, str]

    def __iter__(self):
        return iter(self.table)

    def __getitem__(self, name: str) -> Any:
        """The thing called ``name``. Raises :class:`InputError` for a name that leads nowhere."""
        if not isinstance(name, str) or (name not in self.table and ":" not in name):
            raise unknown(self.kind, name, self.table)
        address = self.table.get(name)
        module, _, attribute = (address or name).partition(":")
        try:
            found = import_module(f".{module}", self.package) if address else import_module(module)
            return getattr(found, attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError(f"cannot import the {self.kind} {name!r}: {error}.") from error
