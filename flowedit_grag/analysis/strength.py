"""Ways of turning an edit's strength, side by side (GRAG, arXiv:2510.24657, table 2, figs. 1, 9 and 10)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from ..backbone.flow import Flow
from ..backbone.image import ImageLike, read_image, resized
from ..contact_sheet import labelled_strip
from ..errors import InputError
from ..files import written
from ..guidance.attention_gate import AttentionGate
from ..guidance.attention_weight import AttentionWeight
from ..guidance.control import Control
from ..guidance.grag import GRAG
from ..methods.base import Method
from ..methods.inputs import generator, run_to_end
from ..methods.request import EditRequest
from ..progress import OnProgress
from .charts import Series
from .figure_data import write_json
from .panels import line_panels

SCALES = (0.95, 1.0, 1.05, 1.1, 1.15)
Measure = Callable[[Image.Image, Image.Image], Mapping[str, float | None]]  # (edit, source) -> numbers by name


@dataclass(frozen=True)
class ControlRange:
    """A way of turning the strength, and the ``values`` that table 2 has for it, from the most change to the least.

    ``dial`` makes the dial of a value; without it the value is the scale of true classifier-free guidance, in place of
    the distilled one.
    """

    values: tuple[float, ...]
    dial: Callable[[float], Control] | None = None


CONTROLS = {
    "cfg": ControlRange((5.0, 4.0, 3.0, 2.0, 1.0)),
    "attention weight": ControlRange((0.8, 1.0, 7.0, 10.0, 16.0), AttentionWeight),
    "attention gate": ControlRange((1.0, 0.9, 0.7, 0.3), AttentionGate),
    "lambda": ControlRange(SCALES, lambda value: GRAG(lam=value)),
    "delta": ControlRange(SCALES, lambda value: GRAG(delta=value)),
    "lambda and delta": ControlRange(SCALES, lambda value: GRAG(lam=value, delta=value)),
}


def edits(
    method: Method,
    flow: Flow,
    image: ImageLike,
    request: EditRequest,
    *,
    seed: int = 0,
    controls: Mapping[str, ControlRange] = CONTROLS,
    on_progress: OnProgress | None = None,
) -> dict[str, list[Image.Image]]:
    """One edit of ``image`` at every value of every control: all dials share one inversion and its source row.

    Raises :class:`InputError` for a method without dials, and for more than one target.
    """
    if not method.takes_control:
        raise InputError(f"{type(method).__name__} has no strength to turn; choose a method that takes grag.")
    original = read_image(image)
    source_prompt, targets = request.prompts(method)
    if len(targets) != 1:
        raise InputError(f"strengths are compared on one edit, not on {len(targets)}.")
    latents = method.encode(flow, resized(original, method.size(flow, original.size)))
    source, target = flow.condition(source_prompt), flow.condition(targets)

    def run(method: Method, dials: Sequence[Control | None]) -> list[Image.Image]:
        job = {"source": source, "target": target[[0] * len(dials)], "noise": generator(seed), "grag": dials}
        rows = run_to_end(method.iterate(flow, latents, **job), on_progress)
        return [method.decode(flow, row[None], original) for row in rows]

    dials = [control.dial(value) for control in controls.values() if control.dial for value in control.values]
    controlled = iter(run(method, dials) if dials else ())
    return {
        name: [next(controlled) if control.dial else run(_guided(method, value), [None])[0] for value in control.values]
        for name, control in controls.items()
    }


def _guided(method: Method, scale: float) -> Method:
    """With true guidance alone: 1 is none of the distilled one."""
    distilled = {field.name: 1.0 for field in fields(method) if field.name.endswith("guidance")}
    return replace(method, true_cfg=scale, **distilled)


def variation(curve: Sequence[float | None]) -> float | None:
    """Total variation over range: 1 for a curve that only rises or only falls, more the more it goes back and forth.
    ``None`` for one that is flat, or has a value missing."""
    known = [value for value in curve if value is not None]
    if len(known) < len(curve) or max(known) == min(known):
        return None
    return sum(abs(b - a) for a, b in pairwise(known)) / (max(known) - min(known))


def curves(
    images: Mapping[str, Sequence[Image.Image]],
    source: Image.Image,
    measure: Measure,
    controls: Mapping[str, ControlRange] = CONTROLS,
) -> dict[str, Any]:
    """Plain numbers: for each control its ``values``, and for each measure the ``curve`` and its ``variation``."""
    found: dict[str, Any] = {}
    for name, pictures in images.items():
        measured = [measure(picture, source) for picture in pictures]
        by_name = {key: [of[key] for of in measured] for key in measured[0]}
        found[name] = {
            "values": list(controls[name].values),
            "curve": by_name,
            "variation": {key: variation(curve) for key, curve in by_name.items()},
        }
    return found


def write(
    images: Mapping[str, Sequence[Image.Image]], source: Image.Image, found: Mapping[str, Any], folder: Path
) -> list[Path]:
    """``strength.json`` and its figure, and a strip for each control."""
    paths = [write_json(found, folder / "strength.json"), draw(found, folder / "strength.png")]
    for name, pictures in images.items():
        labels = ["source", *(f"{name} {value:g}" for value in found[name]["values"])]
        path = folder / f"strip_{name.replace(' ', '_')}.png"
        with written(path) as partial:
            labelled_strip([source, *pictures], labels).save(partial)
        paths.append(path)
    return paths


def draw(numbers: Mapping[str, Any], path: Path) -> Path:
    """A panel for each measure: every control over its own values, which stand at equal distances."""
    measures = next(iter(numbers.values()))["curve"]
    panels = {
        measure: [
            Series(name, points)
            for name, of in numbers.items()
            if (points := [(place, y) for place, y in enumerate(of["curve"][measure]) if y is not None])
        ]
        for measure in measures
    }
    return line_panels(panels, path, "setting of table 2, first to last", "", "Strength of an edit, by what turns it")
