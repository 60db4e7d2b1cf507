"""Models of judges and metrics: from a folder or the hub, with what prepares their inputs."""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ..embedded import ENCODERS
from ..errors import InputError, first_line


def check_name(model: str) -> None:
    """Raise :class:`InputError` for what neither ships nor is a folder with a model nor can be a hub id, before it is
    needed."""
    if model in ENCODERS:
        return
    if os.path.isdir(model):
        if not (Path(model) / "config.json").exists():
            raise InputError(f"{model} is not a model in transformers format: it has no config.json.")
    elif not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        raise InputError(
            f"there is no model {model!r}; give a folder, a hub id such as owner/name, or {', '.join(ENCODERS)}."
        )


def load_pretrained(kind: str, model: str, device: str | None) -> tuple[Any, Any]:
    """The processor and the network of transformers' class ``kind``, on ``device`` (by default the best there is).

    Raises :class:`InputError` for a model that cannot be loaded.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    try:
        target = device or torch.accelerator.current_accelerator(check_available=True) or "cpu"
        folder = ENCODERS.get(model, model)
        processor = transformers.AutoProcessor.from_pretrained(folder)
        network = getattr(transformers, kind).from_pretrained(folder, dtype="auto")
        return processor, network.to(target).eval()
    except (OSError, ValueError, ImportError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"the model {model!r} cannot be loaded ({first_line(error)}); check the name, the network and the "
            "device, and for models that also take videos that torchvision is there."
        ) from error


@dataclass(frozen=True)
class PretrainedJudge:
    """A judge with a model of transformers' class ``kind``: a folder or a hub id."""

    kind: ClassVar[str]

    model: str
    device: str | None = None

    def __post_init__(self):
        check_name(self.model)

    def prepare(self) -> None:
        """Load the model. Raises :class:`InputError` where that cannot be done."""
        self._loaded  # noqa: B018

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        return load_pretrained(self.kind, self.model, self.device)
