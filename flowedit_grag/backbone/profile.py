"""What is known of a model beyond its weights: vital layers, sizes, vocabulary, settings that suit it."""

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import InputError

FILE_NAME = "flowedit_grag.json"  # beside a model's model_index.json


@dataclass(frozen=True)
class Profile:
    """Facts and recommendations about one model. All are optional.

    Attributes:
        vital_layers: global attention-layer indices (double-stream blocks first), DESIGN §5's detector.
        value_layers: layers whose V ``rf-solver-edit`` injects.
        pixels: area the model works at, where it is not the pipeline's default; larger images are scaled down to it.
        words: the whole vocabulary, where prompts may use no other word.
        prompts: typical of the model, for the detector of vital layers.
        roundtrip_psnr: dB; images that the autoencoder cannot reproduce this well are not of the model's world.
        about: one sentence said in a warning to someone who gives the model such an image.
        settings: method name -> options that suit the model (``"*"`` for every method that has them); under
            ``early_filter``, the judge of its previews.
    """

    vital_layers: tuple[int, ...] | None = None
    value_layers: tuple[int, ...] | None = None
    pixels: int | None = None
    words: tuple[str, ...] | None = None
    prompts: tuple[str, ...] = ()
    roundtrip_psnr: float | None = None
    about: str = ""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Profile":
        """The profile beside the model in ``folder``, or an empty one."""
        path = folder / FILE_NAME
        if not path.exists():
            return cls()
        known = {f.name for f in fields(cls)}
        try:
            values = {key: _frozen(value) for key, value in json.loads(path.read_text()).items() if key in known}
        except (ValueError, AttributeError) as error:
            raise InputError(f"{path} is not a valid model profile: {error}.") from None
        return cls(**values)

    def for_method(self, name: str, options: set[str]) -> dict[str, Any]:
        """The recommended settings of method ``name`` that are among its ``options``."""
        merged = {**self.settings.get("*", {}), **self.settings.get(name, {})}
        return {key: value for key, value in merged.items() if key in options}

    def trained_at(self, width: int | None) -> "Profile":
        """With the width of a panel that an adapter was trained at, if it says so."""
        if width is None:
            return self
        return replace(self, settings={**self.settings, "icedit": {**self.settings.get("icedit", {}), "width": width}})


def _frozen(value):
    return tuple(value) if isinstance(value, list) else value


FLUX_DEV = Profile(
    # Stable Flow (arXiv:2411.14430), §4: double blocks 0, 1, 17, 18; single blocks 6, 9, 34, 35, 37
    vital_layers=(0, 1, 17, 18, 25, 28, 53, 54, 56),
    # RF-Solver-Edit's published code: the single blocks after the 20th
    value_layers=tuple(range(39, 57)),
)
