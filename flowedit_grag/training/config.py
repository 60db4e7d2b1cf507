"""What a training run is made of: a YAML file, key by key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ..configs_by_name import find_config
from ..errors import InputError, first_line
from ..lora_moe import LoraMoeConfig
from ..lora_moe.config import MIXTURES, PLAIN, Router
from ..options import check_options, make
from ..registry import Registry
from ..seeds import generator
from .data import SOURCES
from .optimizers import OPTIMIZERS, ProdigyConfig

KINDS = {"optimizer": "name", "data": "source"}  # sections, and the key that says which kind it is


@dataclass(frozen=True, kw_only=True)
class AdapterConfig:
    """The adapter (§B.3); alpha is the rank. With one expert the modules of ``mixtures`` get plain LoRA too.

    Attributes: see :class:`LoraMoeConfig`.
    """

    experts: int = 4
    rank: int = 32
    top_k: int = 1
    router: Router = "published"
    mixtures: str = MIXTURES
    plain: str = PLAIN

    def __post_init__(self):
        check_options(self)
        self.lora_moe()

    def lora_moe(self) -> LoraMoeConfig:
        """As the adapter's layers take it."""
        mixtures, plain = self.mixtures, self.plain
        if self.experts == 1:
            mixtures, plain = "", "|".join(part for part in (mixtures, plain) if part)
        return LoraMoeConfig(
            experts=self.experts, rank=self.rank, alpha=self.rank, top_k=self.top_k, router=self.router,
            mixtures=mixtures, plain=plain,
        )  # fmt: skip


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
        adapter, optimizer, samples: sections of their own.
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
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
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
        parts = {
            "adapter": _section("adapter", lambda: make(AdapterConfig, values.get("adapter", {}), "adapter")),
            "samples": _section("samples", lambda: make(SamplesConfig, values.get("samples", {}), "samples")),
            "optimizer": _chosen("optimizer", OPTIMIZERS, values.get("optimizer", {"name": "prodigy"})),
            "data": _chosen("data", SOURCES, values.get("data")),
        }
        return _section("the config", lambda: make(cls, {**values, **parts}, "the config"))


def _section(name: str, made: Callable[[], Any]) -> Any:
    """What ``made`` gives; what it refuses is said of the section ``name``."""
    try:
        return made()
    except InputError as error:
        raise InputError(str(error) if name in str(error) else f"{name}: {error}") from None


def _chosen(name: str, registry: Registry, values: Any) -> Any:
    """A section that says itself which kind it is, of all that the ``registry`` has."""
    if not isinstance(values, Mapping) or KINDS[name] not in values:
        raise InputError(f"{name} does not say {KINDS[name]!r}, one of: {', '.join(registry)}.")
    return _section(name, lambda: registry.make(values[KINDS[name]], values, object))


def _spelled_out(values: Any) -> dict[str, Any]:
    """With ``optimizer: adamw`` as ``optimizer: {name: adamw}``. Raises :class:`InputError` for what is no section."""
    if not isinstance(values, Mapping):
        raise InputError(f"a config is made of 'key: value' lines, not {values!r}.")
    named = {key: {kind: values[key]} for key, kind in KINDS.items() if isinstance(values.get(key), str)}
    for key in KINDS:
        if not isinstance({**values, **named}.get(key, {}), Mapping):
            raise InputError(f"{key} must be made of 'key: value' lines, not {values[key]!r}.")
    return {**values, **named}


def read(path: str | Path, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """The run that the YAML file at ``path`` describes (or the package's config of that name), with some values
    replaced (``{"adapter": {"rank": 8}}``)."""
    path = find_config(path)
    try:
        there, given = _spelled_out(OmegaConf.to_container(OmegaConf.load(path))), _spelled_out(overrides or {})
        for key, kind in KINDS.items():
            wanted = given.get(key, {}).get(kind)
            if wanted not in (None, there.get(key, {}).get(kind)):
                there[key] = {}  # another kind has keys of its own
        values = OmegaConf.to_container(OmegaConf.merge(there, given), resolve=True)
    except InputError:
        raise
    except (OmegaConfBaseException, YAMLError, OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not a config in YAML ({first_line(error)}).") from None
    return TrainConfig.of(values)
