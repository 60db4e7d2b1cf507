"""Metrics of edits: by name, each with its direction, its source and its variant.

A name is a stem, the reference if it is the ground truth, and the region if it is not the whole picture: ``psnr``,
``psnr_outside``, ``l1_truth``, ``clip_t_inside``. In its own tables a benchmark goes by its group: :data:`GROUPS`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InputError, first_line, unknown
from ..registry import Registry
from .base import Images, Metric, Missing, number

METRICS = Registry(
    "metric",
    __name__,
    {
        "l1": "distances:L1",
        "l2": "distances:L2",
        "change": "distances:Change",
        "psnr": "psnr:PSNR",
        "ssim": "ssim:SSIM",
        "lpips": "lpips:LPIPS",
        "dino": "dino:DINO",
        "structure": "dino:Structure",
        "clip_i": "clip:CLIPI",
        "clip_t": "clip:CLIPT",
        "pie_published_structure": "pie:PublishedStructure",
        "pie_published_psnr": "pie:PublishedPSNR",
        "pie_published_lpips": "pie:PublishedLPIPS",
        "pie_published_mse": "pie:PublishedMSE",
        "pie_published_ssim": "pie:PublishedSSIM",
        "pie_published_clip": "pie:PublishedCLIP",
        "pie_published_clip_edited": "pie:PublishedCLIPEdited",
        "lab_success": "lab:LabSuccess",
        "lab_kept": "lab:LabKept",
        "lab_clip_i": "clip:LabCLIPI",
        "lab_clip_t": "clip:LabCLIPT",
        "lab_broken": "lab:LabBroken",
        "viescore": "viescore:VIEScore",
        "viescore_sc": "viescore:VIEScoreSC",
        "viescore_pq": "viescore:VIEScorePQ",
        "editscore": "editscore:EditScore",
        "editscore_pf": "editscore:EditScorePF",
        "editscore_cons": "editscore:EditScoreCons",
    },
)
LARGE = {"name": "clip_t", "model": "openai/clip-vit-large-patch14"}
GROUPS: Mapping[str, tuple[str | Mapping[str, Any], ...]] = {  # the metrics of each benchmark's table
    # Direct Inversion's Table 1 (arXiv:2310.01506), number for number
    "pie_published": (
        "pie_published_structure", "pie_published_psnr", "pie_published_lpips", "pie_published_mse",
        "pie_published_ssim", "pie_published_clip", "pie_published_clip_edited",
    ),
    # the same questions with the same backbones, without the protocol's quirks
    "pie": (
        "structure", "psnr_outside", "lpips_outside", "l2_outside", "ssim_outside",
        LARGE, {**LARGE, "name": "clip_t_inside"},
    ),
    # ICEdit's Table 1 (arXiv:2504.20690); clip_t is its CLIP-out
    "emu": ("clip_i", "clip_t", "dino"),
    # ICEdit's Table 2, and the two more of MagicBrush's own table (arXiv:2306.10012)
    "magicbrush": ("l1_truth", "clip_i_truth", "dino_truth", "l2_truth", "clip_t"),
    "lab": ("lab_success", "lab_kept", "psnr_outside", "ssim_outside", "psnr_truth", "change", "lab_broken"),
}  # fmt: skip
ENDINGS = ("_truth", "_inside", "_outside", "_truth_inside", "_truth_outside")
NAME = re.compile(r"(?P<stem>.+?)(?:_(?P<against>truth))?(?:_(?P<region>inside|outside))?")


def metric(name: str, **options: Any) -> Metric:
    """The metric called ``name`` (or at the address ``"my_package.my_file:MyMetric"``) with ``options``.

    Raises :class:`InputError` for a name or an option that does not exist.
    """
    stem, implied = name, {}
    if isinstance(name, str) and name not in METRICS and ":" not in name and (parts := NAME.fullmatch(name)):
        implied = {part: said for part, said in parts.groupdict().items() if said}
        stem = implied.pop("stem")
    if stem not in METRICS and ":" not in str(stem):
        raise unknown("metric", name, [*METRICS, *GROUPS], (stem + end for stem in METRICS for end in ENDINGS))
    for option, value in implied.items():
        if options.get(option, value) != value:
            raise InputError(f"{name} says {option}: {value} already; leave out {option}: {options[option]}.")
    made: Any = METRICS.make(stem, {**options, **implied}, object)  # a class of anybody's that is like a Metric
    return made


def metrics(specs: Iterable[str | Mapping[str, Any]]) -> list[Metric]:
    """The metrics of a list of names, groups, and mappings of a ``name`` and its options.

    Raises :class:`InputError` for what :func:`metric` refuses, and for two that would share a column.
    """
    found = [one for spec in specs for one in _expanded(spec)]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"the metric {name!r} is asked for twice; a table has one column for it. Measure other variants in "
                "another run: a report puts both side by side."
            )
    return found


def measure(chosen: Iterable[Metric], images: Images) -> dict[str, float | Missing]:
    """What every metric says of one edit, by name. One that fails is missing, with its reason, and stops nothing."""
    found: dict[str, float | Missing] = {}
    for one in chosen:
        try:
            found[one.name] = number(one(images))
        except InputError as error:
            found[one.name] = Missing(str(error))
        except Exception as error:  # an edit that cost minutes must not be lost to one of its numbers
            found[one.name] = Missing(f"{type(error).__name__}: {first_line(error)}")
    return found


def _expanded(spec: str | Mapping[str, Any]) -> list[Metric]:
    if isinstance(spec, str):
        return [one for member in GROUPS[spec] for one in _expanded(member)] if spec in GROUPS else [metric(spec)]
    if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str):
        raise InputError(f"a metric is a name, a group, or a name with its options, not {spec!r}.")
    if spec["name"] in GROUPS:
        members = ", ".join(map(str, GROUPS[spec["name"]]))
        raise InputError(f"{spec['name']} is a group, which takes no options; list its metrics: {members}.")
    return [metric(**spec)]


__all__ = ["GROUPS", "METRICS", "Images", "Metric", "Missing", "measure", "metric", "metrics"]
