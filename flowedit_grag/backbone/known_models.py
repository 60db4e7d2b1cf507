"""Profiles of models: from the file beside a model, or known here."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, first_line
from ..options import check_options
from .profile import Profile

FILE_NAME = "flowedit_grag.json"  # beside a model's model_index.json
FLUX_DEV = Profile(
    # Stable Flow (arXiv:2411.14430), §4: double blocks 0, 1, 17, 18; single blocks 6, 9, 34, 35, 37
    vital_layers=(0, 1, 17, 18, 25, 28, 53, 54, 56),
    # RF-Solver-Edit's published code: the single blocks after the 20th
    value_layers=tuple(range(39, 57)),
)


def profile_of(folder: str, config: Any, adapter_width: int | None = None) -> Profile:
    """The profile beside the model, or else FLUX.1-dev's for a model of its architecture; with the width of a panel
    that an adapter was trained at, if it says so."""
    own = read_profile(Path(folder))
    dev = (config.num_layers, config.num_single_layers, config.guidance_embeds, config.in_channels)
    known = FLUX_DEV if own == Profile() and dev == (19, 38, True, 64) else own
    if adapter_width is None:
        return known
    icedit = {**known.settings.get("icedit", {}), "width": adapter_width}
    return replace(known, settings={**known.settings, "icedit": icedit})


def read_profile(folder: Path) -> Profile:
    """The profile beside the model in ``folder``, or an empty one. Raises :class:`InputError` for a damaged one."""
    path = folder / FILE_NAME
    if not path.exists():
        return Profile()
    known = {f.name for f in fields(Profile)}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise InputError(f"it is a {type(stored).__name__}, and no object")
        values = {key: value for key, value in stored.items() if key in known}
        frozen: dict[str, Any] = {key: tuple(of) if isinstance(of, list) else of for key, of in values.items()}
        made = Profile(**frozen)
        _check_lists(values)
        check_options(made)
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is not a valid model profile: {first_line(error)}.") from None
    return made


def _check_lists(values: dict[str, Any]) -> None:
    """Raise :class:`InputError` for what :func:`check_options` takes from people and a file does not say."""
    for name in ("vital_layers", "value_layers", "words", "prompts"):
        if not isinstance(values.get(name), list | None):
            raise InputError(f"{name} must be a list, not {values[name]!r}")
    for name in ("settings", "strengths"):
        by_method = values.get(name, {})
        if not isinstance(by_method, dict) or not all(isinstance(of, dict) for of in by_method.values()):
            raise InputError(f"{name} must have options by the name of a method")
