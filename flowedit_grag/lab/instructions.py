"""What an instruction of the lab asks for: the inverse of the templates in :mod:`.tasks`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from . import world
from .captions import PLACES, noun_phrase
from .scene import Item
from .tasks import FIELDS, INSTRUCTIONS


@dataclass(frozen=True)
class Asked:
    """``wanted`` attributes of the item that has the ``shape``, of a new one, or of the scene (its background).

    ``shape`` is ``None`` where no item of the source is meant; ``wanted`` is empty where the item should go.
    """

    task: str
    shape: str | None
    wanted: Mapping[str, str]


def parse(instruction: str) -> Asked | None:
    """What ``instruction`` asks for; ``None`` if the lab's templates cannot have made it."""
    return meanings().get(" ".join(instruction.lower().split()).rstrip(" ."))


@lru_cache(maxsize=1)
def meanings() -> Mapping[str, Asked]:
    """Every instruction that the templates can make. There are few enough to list."""
    return {
        form.format(shape=asked.shape, value=value): asked
        for task, forms in INSTRUCTIONS.items()
        for value, asked in _said(task)
        for form in forms
    }


def _said(task: str) -> Iterator[tuple[str, Asked]]:
    """What goes into the templates' ``{value}``, and what it means."""
    if task == "background":
        yield from ((name, Asked(task, None, {"background": name})) for name in world.BACKGROUNDS)
    elif task == "add":
        for shape, color, size, position, fill in product(*world.ATTRIBUTES.values()):
            item = Item(shape, color, size, position, fill)
            for place in PLACES[position]:
                yield f"{noun_phrase(item)} {place}", Asked(task, None, item.stated)
    elif task == "remove":
        yield from (("", Asked(task, shape, {})) for shape in world.SHAPES)
    else:
        field = FIELDS[task]
        for shape, value in product(world.SHAPES, world.ATTRIBUTES[field]):
            yield world.SAID.get(value, value), Asked(task, shape, {field: value})
