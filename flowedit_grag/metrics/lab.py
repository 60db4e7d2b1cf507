"""The lab's own measures: the oracle reads the edited picture and says what happened."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from ..lab.grade import Grade, grade
from .base import Images, Missing

VARIANT = "read by the lab's oracle, which compares the picture with what the renderer draws"


@dataclass(frozen=True)
class LabSuccess:
    """1 where the asked attribute was reached, else 0."""

    name: ClassVar = "lab_success"
    higher_is_better: ClassVar = True
    is_rate: ClassVar = True
    source: ClassVar = "flowedit_grag.lab"
    variant: ClassVar = f"1 where the asked attribute is reached, {VARIANT}"

    def __call__(self, images: Images) -> float | Missing:
        graded = _graded(images)
        return graded if isinstance(graded, Missing) else float(graded.success)


@dataclass(frozen=True)
class LabKept:
    """1 where every other stated attribute is the source's, else 0."""

    name: ClassVar = "lab_kept"
    higher_is_better: ClassVar = True
    is_rate: ClassVar = True
    source: ClassVar = "flowedit_grag.lab"
    variant: ClassVar = f"1 where every other stated attribute is the source's, {VARIANT}"

    def __call__(self, images: Images) -> float | Missing:
        graded = _graded(images)
        return graded if isinstance(graded, Missing) else float(graded.kept)


@lru_cache(maxsize=1)  # both metrics ask in turn about one picture
def _graded(images: Images) -> Grade | Missing:
    if images.edit is None:
        return Missing("the sample is not one of the lab's problems")
    return grade(images.edit, images.edited)
