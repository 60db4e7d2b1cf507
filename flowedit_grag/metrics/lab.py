"""The lab's own measures: the oracle reads the edited picture and says what happened."""

from functools import lru_cache

from ..errors import InputError
from ..lab.grade import Grade, grade
from ..lab.oracle import read
from ..lab.tasks import EditingProblem
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


class LabBroken(LabSuccess):
    """1 where the edited picture cannot be read though its source can, else 0."""

    name = "lab_broken"
    higher_is_better = False
    details = f"1 where an attribute cannot be read though the source's all can, {READER}"

    def score(self, images: Images) -> float:
        _of_the_lab(images)
        return float(not read(images.edited).readable and read(images.source).readable)


@lru_cache(maxsize=1)  # both metrics ask in turn about one picture
def _graded(images: Images) -> Grade:
    return grade(_of_the_lab(images), images.edited)


def _of_the_lab(images: Images) -> EditingProblem:
    if images.edit is None:
        raise InputError("the sample is not one of the lab's problems")
    return images.edit
