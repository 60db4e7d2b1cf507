"""What a training run is made of: a YAML file, key by key."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf

from ..config_lines import check_values, config_lines, merged
from ..configs_by_name import find_config
from ..errors import InputError, first_line
from ..interpolation import resolved
from ..lora_moe import LoraMoeConfig
from ..options import check_options, make
from ..seeds import generator
from .data import SOURCES
from .optimizers import OPTIMIZERS, ProdigyConfig

KINDS = {"optimizer": ("name", OPTIMIZERS), "data": ("source", SOURCES)}  # sections, the key of their kind, all kinds


@dataclass(frozen=True, kw_only=True)
class SamplesConfig:
    """Edits made while training.

    Attributes:
        pairs: the last ones of the data are not trained on, but edited.
        every: training steps between sheets; 0 is never.
        steps: of an edit; by default as many as the method takes.
    """

    pairs: int = 4
    every: int = 1000
    steps: int | None = None

    def __post_init__(self):
        check_options(self)
        if self.steps == 0:
            raise InputError("steps of an edit must be from 1 on, not 0; samples.every: 0 leaves edits out.")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training run. The defaults are the paper's settings (§B.3).

    Attributes:
        model: a Fill model: a name, a folder in diffusers format or a hub id.
        data: where pairs come from.
        out: folder of the run.
        width: of a panel, in pixels; the diptych is twice as wide.
        panel: ``"square"`` as in the paper, whatever the pictures' shape, or ``"proportional"``, as an edit is: tall
            pictures then need more memory.
        steps: optimizer steps in all.
        batch: pairs in one forward call; they need one size.
        accumulation: forward calls in one step.
        seed: of everything random.
        logit_mean: where the noise levels that are trained on are centred, in logits of sigma: 0 as in the published
            code; higher for more training where an edit is decided on, less where its details are.
        dtype: of the networks; the adapter is trained in float32 whatever theirs.
        gradient_checkpointing: compute activations twice and store few of them.
        checkpoint_every: steps between checkpoints.
        adapter: see :class:`LoraMoeConfig`. With one expert the modules of ``mixtures`` get plain LoRA too.
        optimizer, samples: sections of their own.
    """

    model: str
    data: Any
    out: str
    width: int = 512
    panel: Literal["square", "proportional"] = "square"
    steps: int = 50_000
    batch: int = 1
    accumulation: int = 2
    seed: int = 0
    logit_mean: float = 0.0
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    gradient_checkpointing: bool = False
    checkpoint_every: int = 500
    adapter: LoraMoeConfig = field(default_factory=LoraMoeConfig)
    optimizer: Any = field(default_factory=ProdigyConfig)
    samples: SamplesConfig = field(default_factory=SamplesConfig)

    def __post_init__(self):
        check_options(self)
        for name in ("width", "steps", "batch", "accumulation", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be from 1 on, not {getattr(self, name)}.")
        generator(self.seed)

    @classmethod
    def of(cls, values: Any) -> "TrainConfig":
        """The run that a mapping describes. Raises :class:`InputError` for what cannot be used, naming the key."""
        values = {"optimizer": {"name": "prodigy"}, **values}
        made: dict[str, Any] = {}
        for name, section in (("adapter", LoraMoeConfig), ("samples", SamplesConfig)):
            with _said_of(name):
                made[name] = make(section, values.get(name, {}), name)
        for name, (kind, registry) in KINDS.items():
            options = values.get(name)
            if not isinstance(options, Mapping) or kind not in options:
                raise InputError(f"{name} does not say {kind!r}, one of: {', '.join(registry)}.")
            with _said_of(name):
                made[name] = registry.make(options[kind], options, object)
        with _said_of("the config"):
            return make(cls, {**values, **made}, "the config")


@contextmanager
def _said_of(section: str) -> Iterator[None]:
    """What is refused in the block is said of the ``section``."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error) if section in str(error) else f"{section}: {error}") from None


def _spelled_out(values: Any) -> dict[str, Any]:
    """With ``optimizer: adamw`` as ``optimizer: {name: adamw}``. Raises :class:`InputError` for what is no section."""
    if not isinstance(values, Mapping):
        raise InputError(f"a config is made of 'key: value' lines, not {values!r}.")
    sections = {key: values[key] for key in KINDS if key in values}
    for key, section in sections.items():
        if isinstance(section, str):
            sections[key] = {KINDS[key][0]: section}
        elif not isinstance(section, Mapping):
            raise InputError(f"{key} must be made of 'key: value' lines, not {section!r}.")
    return {**values, **sections}


def read(path: str | Path, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """The run that the YAML file at ``path`` describes (or the package's config of that name), with some values
    replaced (``{"adapter": {"rank": 8}}``)."""
    path = find_config(path)
    content, lines = config_lines(path)
    try:
        there, given = _spelled_out(OmegaConf.to_container(OmegaConf.create(content))), _spelled_out(overrides or {})
        for key, (kind, _) in KINDS.items():
            wanted = given.get(key, {}).get(kind)
            if wanted not in (None, there.get(key, {}).get(kind)):
                there[key] = {}  # another kind has keys of its own
        values = resolved(merged(OmegaConf.create(there), given, path), lines.at)
    except InputError:
        raise
    except Exception as error:  # OmegaConf lets those of its own parser and of Python through
        raise InputError(f"{path} is not a config in YAML ({first_line(error)}).") from None
    check_values(values, lines)
    return TrainConfig.of(values)
