"""What a picture depends on, as plain types: :attr:`Result.settings`, which pictures carry with them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch

from . import __version__
from .backbone.flow import TokenLayout
from .backbone.image_flow import ImageFlow
from .embedded import MODELS
from .guidance.control import Control
from .methods import Method, written_options
from .result import plain


def settings_of(
    name: str, method: Method, flow: ImageFlow, layout: TokenLayout,
    strengths: Sequence[Control | None] | None = None, **said: Any,
) -> dict[str, Any]:  # fmt: skip
    """The method called ``name`` and the model with all their options, versions, and what was ``said`` of one edit.

    ``layout`` is of what the method worked on; ``strengths`` stand in place of the method's own.
    """
    options = written_options(method)
    own, cache = options.pop("grag", None), getattr(flow.transformer, "_cache_config", None)
    return plain({
        "method": name,
        "options": options,
        "grag": own if strengths is None else strengths,
        "model": _placed(flow.name),
        "loading": {option: _placed(value) for option, value in flow.loading.items()},
        **({"step_cache": type(cache).__name__} if cache else {}),
        "dtype": str(flow.transformer.dtype).removeprefix("torch."),
        "device": str(flow.device),
        "rows_at_once": flow.rows_that_fit(layout),
        **said,
        "versions": {"flowedit_grag": __version__, "torch": torch.__version__, "diffusers": diffusers.__version__},
    })  # fmt: skip


def _placed(value: Any) -> Any:
    """A file or folder by its whole path, so that it is found from anywhere; what is no path as it is."""
    if isinstance(value, str | Path) and str(value) not in MODELS and os.path.exists(value):
        return os.path.abspath(value)
    return value
