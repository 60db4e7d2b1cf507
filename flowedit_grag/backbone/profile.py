"""What is known of a model beyond its weights: vital layers, sizes, vocabulary, settings that suit it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Profile:
    """Facts and recommendations about one model. All are optional.

    Attributes:
        vital_layers: attention layers where methods let the source in, found by ``flowedit-grag vital-layers``.
        value_layers: layers whose V ``rf-solver-edit`` injects.
        pixels: area the model works at, where it is not the pipeline's default; larger images are scaled down to it.
        words: the whole vocabulary, where prompts may use no other word.
        prompts: typical of the model, for the detector ``bypass`` of vital layers.
        pairs: prompts and what pictures of them may be edited into, for the detector ``carry``.
        roundtrip_psnr: dB; images that the autoencoder cannot reproduce this well are not of the model's world.
        about: one sentence said in a warning to someone who gives the model such an image.
        settings: method name -> options that suit the model (``"*"`` for every method that has them); under
            ``early_filter``, the judge of its previews.
        strengths: method name -> what a strength turns (``option``) and to which ``values``, as
            ``flowedit-grag calibrate`` found.
    """

    vital_layers: tuple[int, ...] | None = None
    value_layers: tuple[int, ...] | None = None
    pixels: int | None = None
    words: tuple[str, ...] | None = None
    prompts: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    roundtrip_psnr: float | None = None
    about: str = ""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    strengths: dict[str, dict[str, Any]] = field(default_factory=dict)

    def for_method(self, name: str, options: set[str]) -> dict[str, Any]:
        """The recommended settings of method ``name`` that are among its ``options``."""
        merged = {**self.settings.get("*", {}), **self.settings.get(name, {})}
        return {key: value for key, value in merged.items() if key in options}
