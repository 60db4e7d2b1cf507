"""The lab's own measures: the oracle reads the edited picture and says what happened."""

from functools import lru_cache

from ..errors import InputError
from ..lab.grade import Grade, grade
from .base import Images, OwnMetric

READER = "read by the lab's oracle, which compares the picture with what the renderer draws"


class LabSuccess(OwnMetric):
    """1 where the asked attribute was reached, else 0."""

    name = "lab_success"
    higher_is_better = True
    is_rate = True
    source = "flowedit_grag.lab"
    details = f"1 where the asked attribute is reached, {READER}"

    def score(self, images: Images) -> float:
        return float(_graded(images).success)


class LabKept(LabSuccess):
    """1 where every other stated attribute is the source's, else 0."""

    name = "lab_kept"
    details = f"1 where every other stated attribute is the source's, {READER}"

    def score(self, images: Images) -> float:
        return float(_graded(images).kept)


@lru_cache(maxsize=1)  # both metrics ask in turn about one picture
def _graded(images: Images) -> Grade:
    if images.edit is None:
        raise InputError("the sample is not one of the lab's problems")
    return grade(images.edit, images.edited)
