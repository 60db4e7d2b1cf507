"""A picture made again, from what it says of how it was made."""

import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

import diffusers
import torch

from . import __version__
from .backbone.image import alpha_of, read_image
from .editor import LOADING, Editor
from .errors import InputError, shortened
from .guidance.controls import control
from .image_metadata import pixels_hash, read_settings
from .judges import Verdict
from .methods import METHODS, Method, method
from .methods.early_filter import RECORDED, EarlyFilter
from .progress import OnProgress
from .registry import names_only
from .result import Result

SHAPE: dict[str, Any] = {
    "kind": str, "method": str, "options": dict, "model": str, "loading": dict, "seed": int, "size": list,
    "request": dict, "versions": dict,
}  # fmt: skip
REQUEST = ("instruction", "source_prompt", "target_prompt")


def redo(
    path: str | Path,
    image: str | Path | None = None,
    *,
    allow_imports: bool = False,
    on_progress: OnProgress | None = None,
) -> Result:
    """Make the picture at ``path`` again, from its source (at the path that it names, or else ``image``).

    The same on the same machine, bit for bit; a warning says where it is not. The picture may be a stranger's: code
    that it names (``"module:Class"``) is imported only with ``allow_imports``, and no judge is asked again.
    Raises :class:`InputError` where it does not say how it was made, or the source is missing or another one.

    >>> redo("dog.png").save("again.png")  # doctest: +SKIP
    """
    settings = checked(read_settings(path), path)
    source = find_source(settings, path, image)
    now = {"flowedit_grag": __version__, "torch": torch.__version__, "diffusers": diffusers.__version__}
    if other := [f"{name} {said!r}" for name, said in settings["versions"].items() if said != now.get(name)]:
        warnings.warn(f"made with {shortened(', '.join(other))}; the same picture is not certain here.", stacklevel=2)
    with nullcontext() if allow_imports else names_only():
        try:
            make = _prepared(settings, source)
        except InputError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(path, repr(error)) from error
        result = make(on_progress=on_progress)
    if settings.get("picture") != result.pixels(settings.get("index")):
        warnings.warn(f"the picture is not the same as {shortened(str(path))}, bit for bit.", stacklevel=2)
    return result


def checked(settings: dict[str, Any], path: str | Path) -> dict[str, Any]:
    """``settings`` of the picture at ``path``. Raises :class:`InputError` where they are not of the kind that is
    written."""
    if wrong := [name for name, kind in SHAPE.items() if type(settings.get(name)) is not kind]:
        raise _damaged(path, wrong[0])
    if settings["kind"] not in ("edit", "sweep", "generate"):
        raise _damaged(path, "kind")
    if strange := set(settings["loading"]) - LOADING:
        raise _damaged(path, f"loading.{min(strange)}")
    if cache := settings.get("step_cache"):
        raise InputError(f"{shortened(str(path))} was made with the step cache {shortened(str(cache))}; redo has none.")
    if not settings["model"]:
        raise InputError(f"{shortened(str(path))} was made with a model that has no name; it cannot be loaded again.")
    return settings


def _damaged(path: str | Path, where: str) -> InputError:
    return InputError(f"what {shortened(str(path))} says of how it was made is damaged ({shortened(where)}).")


def find_source(settings: Mapping[str, Any], path: str | Path, image: str | Path | None) -> Path | None:
    """The source of the picture at ``path``, by its recorded path or else ``image``; ``None`` for a generated one.

    Raises :class:`InputError` where it is missing, or not the recorded one.
    """
    if settings["kind"] == "generate":
        return None
    recorded = settings.get("source")
    if not isinstance(recorded, dict) or not isinstance(recorded.get("path", 0), str | None):
        raise _damaged(path, "source")
    if image is None and recorded["path"] is None:
        raise InputError(f"{shortened(str(path))} was made from a picture without a file; give its source (--image).")
    found = Path(os.path.realpath(path)).parent / recorded["path"] if image is None else Path(image)
    if not os.path.isfile(found):
        raise InputError(f"the source is not at {shortened(os.path.normpath(found))}; say where it is (--image).")
    if pixels_hash(read_image(found), alpha_of(found)) != recorded.get("sha256"):
        raise InputError(f"{shortened(os.path.normpath(found))} is not the picture that the source was.")
    return found


def _prepared(settings: Mapping[str, Any], source: Path | None) -> Callable[..., Result]:
    """What makes the picture, with everything but ``on_progress`` given."""
    editor = Editor(_method(settings), settings["model"], **_loading(settings["loading"]))
    request = {name: settings["request"][name] for name in REQUEST}
    grag: Any = settings.get("grag")
    given: dict[str, Any] = {**request, "seed": settings["seed"]}
    if source is None:
        del given["instruction"]
        width, height = map(int, settings["size"])
        return partial(editor.generate, **given, size=(width, height))
    given["detail"] = settings["detail"]["asked"]
    if "strength" in settings:
        calibrate = {**settings["calibrate"], "model": ""}  # a path may be said in another way now
        given |= {"strength": settings["strength"], "calibrate": calibrate}
    if settings["kind"] == "sweep" and "strength" in settings:
        return partial(editor.sweep, source, **given)
    if settings["kind"] == "sweep":
        deltas = [strength["delta"] for strength in grag]
        return partial(editor.sweep, source, **given, delta=deltas, lam=grag[0]["lam"])
    if isinstance(grag, list):
        return partial(editor.edit_with, source, **given, controls=[_control(strength) for strength in grag])
    return partial(editor.edit, source, **given, early_filter=_early_filter(settings.get("early_filter")))


def _method(settings: Mapping[str, Any]) -> Method:
    """Exactly with the recorded options, whatever the model's profile says today."""
    options = settings["options"]
    hints = get_type_hints(METHODS.class_of(settings["method"], Method))
    for name, value in options.items():
        if isinstance(value, str) and "tuple" in str(hints.get(name)):  # would be read as the path of a file
            raise TypeError(name)
    strength = {} if isinstance(grag := settings.get("grag"), list) or grag is None else {"grag": grag}
    return method(settings["method"], **options, **strength)


def _control(strength: Any) -> Any:
    return control(dial=strength) if isinstance(strength, dict) and "name" in strength else control(grag=strength)


def _loading(recorded: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.removeprefix("torch.") if name == "dtype" else value for name, value in recorded.items()}


def _early_filter(record: Any) -> EarlyFilter | None:
    """The filter, with its judge's recorded answers in place of the judge."""
    if record is None:
        return None
    answers = iter([(said, one["tie"]) for one in record["comparisons"] for said in one["answers"]])

    def again(*_: Any) -> Verdict:
        said, tie = next(answers)
        return Verdict(said["winner"], said["reason"], tie and said["winner"] is None)

    again.__qualname__ = str(record["judge"])
    options = {name: record[name] for name in RECORDED}
    return EarlyFilter(seeds=len(record["seeds"]), judge=again, **options)
