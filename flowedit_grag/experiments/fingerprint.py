"""What a result depends on, and the hash of it.

The package's code counts as its major and minor version: a patch release must not change results. Of a method, dial,
solver, judge or metric of one's own, the file that it is in counts. What the machine adds (its kind of GPU, versions of
torch, what fits into its memory) is not part of a hash, but noted in every record.
"""

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..backbone.lora import weighted
from ..backbone.model_info import ModelInfo
from ..embedded import ENCODERS
from ..errors import first_line
from ..files import fingerprint
from ..hidden import shown
from ..inversion import Solver
from ..judges import JUDGES, judge
from ..lora_moe.locate import locate
from ..methods import Method, written_options
from ..metrics import Metric
from ..result import plain
from .samples import Sample

VERSION = ".".join(__version__.split(".")[:2])
PLACING = ("device", "offload", "memory_budget")  # of what loading says: where a model works, and on how much at once
DIGITS = 16  # hexadecimal: among a million results, the chance that two have one hash is 3e-8


def digest(facts: Any) -> str:
    """A hash of plain values, as they are shown. The order of keys does not matter."""
    return hashlib.sha256(json.dumps(shown(facts), sort_keys=True, default=str).encode()).hexdigest()[:DIGITS]


def of_model(facts: ModelInfo) -> dict[str, Any]:
    """A model: its name, its profile, and the contents of its folder or, of the hub's, the commit."""
    known = {"name": facts.name, "profile": digest(asdict(facts.profile)), "files": fingerprint(Path(facts.place))}
    return known if facts.commit is None else {**known, "commit": facts.commit}


def of_adapter(adapter: str | Path | None) -> dict[str, Any] | None:
    """An adapter: its name and its contents, which of the hub's are downloaded."""
    return None if adapter is None else {"name": adapter, "files": fingerprint(locate(adapter))}


def of_loading(loading: Mapping[str, Any]) -> dict[str, Any]:
    """How a model is loaded, with the contents of LoRA and other files; not where it is put."""
    found: dict[str, Any] = {name: value for name, value in loading.items() if name not in PLACING}
    if loading.get("lora"):
        found["lora"] = [
            {**(of_adapter(str(source)) or {}), **({} if weight == 1 else {"weight": weight})}
            for source, weight in weighted(loading["lora"])
        ]
    if loading.get("transformer"):
        found["transformer"] = fingerprint(Path(loading["transformer"]))
    return found


def of_method(method: Method) -> dict[str, Any]:
    """All options, as resolved from the model's profile and the defaults; and the code of a method of one's own."""
    values = written_options(method)
    parts: dict[str, Any] = {"code": type(method)}
    if method.control is not None:
        parts["code of control"] = type(method.control)
    parts |= {f"code of {name}": value.step for name, value in values.items() if isinstance(value, Solver)}
    own = {name: code for name, part in parts.items() if (code := _own_code(part))}
    return {**{name: plain(value) for name, value in values.items()}, **own}


def of_judge(spec: str) -> dict[str, str]:
    """What a judge's name does not say: weights that ship or lie in a folder, or the code of a judge of one's own."""
    kind, _, rest = spec.partition(":")
    if kind in JUDGES:
        place = rest or (kind if kind in ENCODERS else "")
        return {"weights": files} if place and (files := _folder(place)) else {}
    own: Any = judge(spec)
    return {"code": code} if (code := _own_code(own)) else {}


def of_sample(sample: Sample) -> dict[str, Any]:
    """What is edited and what is said of it; of a later turn, which edits a result, without the picture."""
    return {
        "id": sample.id,
        "image": (sample.content or _pixels(sample.image)) if sample.previous is None else None,
        "source_prompt": sample.source_prompt,
        "target_prompt": sample.target_prompt,
        "instruction": sample.instruction,
    }


def of_truth(sample: Sample) -> str:
    """A hash of what the edit is measured against; empty where :func:`of_sample` says all of it."""
    if sample.content is not None:
        return "" if sample.previous is None else digest(sample.content)
    return digest([_pixels(sample.mask), _pixels(sample.truth), repr(sample.edit)])


def of_metric(metric: Metric) -> str:
    """A hash of what a number depends on besides the pictures: the metric with its options, weights that ship or lie in
    a folder, and the code of a metric of one's own."""
    places = [value for value in vars(metric).values() if isinstance(value, str)]
    own = [found for found in (_own_code(type(metric)), *map(_folder, places)) if found]
    asked = of_judge(spec) if (spec := getattr(metric, "judge", None)) else {}
    return digest([VERSION, type(metric).__module__, repr(metric), *own, *asked.values()])


@cache
def _own_code(part: Any) -> str | None:
    """A hash of the file that a class, a function or an object of one's own is written in."""
    part = part if inspect.isroutine(part) or isinstance(part, type) else type(part)
    if part.__module__.partition(".")[0] == __name__.partition(".")[0]:
        return None
    try:
        file = inspect.getsourcefile(part)
    except TypeError:  # made at a prompt
        return None
    found = fingerprint(Path(file)) if file else None
    return found and found[:DIGITS]


@cache
def _folder(place: str) -> str | None:
    path = ENCODERS.get(place, Path(place))
    return fingerprint(path) if os.path.isdir(path) else None


def _pixels(picture: Callable[[], Any] | None) -> str | None:
    """A hash of a picture or mask. One that cannot be read is known by the reason, and so it is another once mended."""
    if picture is None:
        return None
    try:
        pixels = np.asarray(picture())
    except Exception as error:  # the sample will fail for it, with its traceback, when its turn comes
        return f"{type(error).__name__}: {first_line(error)}"
    return f"{pixels.shape} {hashlib.sha256(pixels.tobytes()).hexdigest()[:DIGITS]}"
