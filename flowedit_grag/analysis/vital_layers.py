"""Which layers matter: bypass each one and see how much generated images change (Stable Flow, arXiv:2411.14430, §3)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..backbone.image_flow import ImageFlow
from ..errors import InputError
from ..guidance.classifier_free import GuidedVelocity
from ..inversion import Solver, integrate
from ..metrics import Images, Missing, metric
from ..progress import OnProgress, Progress
from ..registry import Registry
from ..seeds import generator
from .charts import PALETTE, save, sheet, write_json

PROMPTS = (  # for models without a vocabulary of their own
    "a photo of a dog sitting on the grass", "a red car parked in a city street", "a bowl of fruit on a wooden table",
    "a woman reading a book in a cafe", "a lighthouse on a cliff above the sea", "a bird on a snowy branch",
    "an old castle on a hill at sunset", "a cup of coffee next to a laptop",
)  # fmt: skip
DINO = "facebook/dinov2-base"
STANDOUT = 1.0  # standard deviations above the mean
SIMILARITIES = Registry("similarity", __package__, {"dino": "vital_layers:dino", "pixels": "vital_layers:pixels"})

Similarity = Callable[[Image.Image, Image.Image], float]  # 1 is identical


def pixels(first: Image.Image, second: Image.Image) -> float:
    """1 - root mean squared difference of pixels in 0..1: needs no network, suits the lab's flat pictures."""
    a, b = (np.asarray(image, float) / 255 for image in (first, second))
    return float(1 - np.sqrt(np.mean((a - b) ** 2)))


def dino(first: Image.Image, second: Image.Image) -> float:
    """Cosine similarity of DINOv2's class tokens, as in Stable Flow (arXiv:2411.14430, §3.1)."""
    found = metric("dino", model=DINO)(Images(np.asarray(first), np.asarray(second)))
    if isinstance(found, Missing):
        raise InputError(f"{found.reason.rstrip('.')}; connect to the hub, or use similarity='pixels'.")
    return found


@dataclass(frozen=True)
class VitalLayers:
    """``vitality[i]`` = 1 - mean similarity of images made without layer i; ``vital_layers`` are those above
    ``threshold``. ``layers`` are their module names."""

    model: str
    similarity: str
    prompts: list[str]
    seeds: int
    steps: int
    threshold: float
    layers: list[str]
    vitality: list[float]
    vital_layers: list[int]


def detect(
    flow: ImageFlow,
    *,
    prompts: int | Sequence[str] = 8,
    seeds: int = 1,
    steps: int = 15,
    size: tuple[int, int] | None = None,
    guidance: float = 3.5,
    similarity: str | Similarity | None = None,
    threshold: float | None = None,
    on_progress: OnProgress | None = None,
) -> VitalLayers:
    """Generate every prompt with every seed, once whole and once without each layer.

    Args:
        prompts: how many of the built-in ones, or your own.
        size: of the images, by default the model's own.
        similarity: ``"dino"`` (the paper's), ``"pixels"``, or a function of two images; by default ``"pixels"`` for
            models with a vocabulary of their own (the lab), ``"dino"`` for others.
        threshold: vitality above which a layer is vital; by default one standard deviation above the mean.

    Raises :class:`InputError` for counts below 1, and for Fill models.
    """
    texts = chosen(prompts, lambda: flow.profile.prompts or PROMPTS)
    check_counts(seeds, steps, len(texts))
    named = similarity or ("pixels" if flow.profile.words else "dino")
    compare: Similarity = SIMILARITIES[named] if isinstance(named, str) else named
    if flow.fills:
        raise InputError(f"{flow.name or 'this model'} is a Fill model; layers are found on a text-to-image model.")
    names = list(flow.attention())
    generate = generator_of(flow, texts, range(seeds), steps, size, guidance)

    def sample() -> list[Image.Image]:
        return [flow.decode(latents) for latents in generate()]

    whole = sample()
    vitality = []
    for layer in range(len(names)):
        with flow.bypassed(layer):
            vitality.append(1 - sum(map(compare, whole, sample())) / len(whole))
        if on_progress:
            on_progress(Progress("layers", layer + 1, len(names)))
    values = torch.tensor(vitality)
    limit = float(values.mean() + STANDOUT * values.std()) if threshold is None else threshold
    return VitalLayers(
        model=flow.name, similarity=named if isinstance(named, str) else getattr(named, "__name__", "own"),
        prompts=texts, seeds=seeds, steps=steps, threshold=limit, layers=names, vitality=vitality,
        vital_layers=[index for index, value in enumerate(vitality) if value > limit],
    )  # fmt: skip


def chosen(asked: int | Sequence[Any], built_in: Callable[[], Sequence[Any]]) -> list[Any]:
    """The first so many of what is ``built_in``, or one's own."""
    if not isinstance(asked, int):
        return list(asked)
    known = built_in()
    if asked > len(known):
        raise InputError(f"there are {len(known)} built-in prompts, not {asked}; give your own for more.")
    return list(known[: max(0, asked)])


def check_counts(seeds: int, steps: int, prompts: int) -> None:
    """Raise :class:`InputError` for counts that make no detector."""
    if min(seeds, steps, prompts) < 1 or seeds > 1000:
        raise InputError("the detector needs at least one prompt, one seed (and up to 1000) and one step.")


def generator_of(
    flow: ImageFlow, texts: Sequence[str], seeds: Iterable[int], steps: int, size: tuple[int, int] | None,
    guidance: float,
) -> Callable[[], list[Tensor]]:  # fmt: skip
    """Draws latents ``[1, C, h, w]`` for each prompt and seed, as the transformer then is; prompts are encoded once."""
    width, height = size or (flow.side, flow.side)
    scale, channels = flow.pipeline.vae_scale_factor, flow.pipeline.vae.config.latent_channels
    shape = 1, channels, height // scale, width // scale
    true_cfg = flow.profile.settings.get("*", {}).get("true_cfg", 1.0)
    negative = flow.condition("") if true_cfg != 1 else None
    velocities = [GuidedVelocity(flow, flow.condition(text), (guidance,), (true_cfg,), negative) for text in texts]
    sigmas = flow.schedule(steps, torch.empty(shape))
    noises = [torch.randn(shape, generator=generator(seed), dtype=torch.float32).to(flow.device) for seed in seeds]

    @torch.no_grad()
    def generate() -> list[Tensor]:
        return [integrate(v, noise, sigmas, Solver.of("euler")) for v in velocities for noise in noises]

    return generate


def write(found: VitalLayers, path: Path) -> list[Path]:
    """Write the JSON at ``path`` and the bar chart beside it (``.png``); returns both paths."""
    return [write_json(asdict(found), path, indent=2), _bar_chart(found, path.with_suffix(".png"))]


def _bar_chart(found: VitalLayers, path: Path) -> Path:
    """Vitality of every layer, vital ones in another colour, double- and single-stream blocks apart (as the paper's
    figure 3)."""
    count = len(found.layers)
    figure, (axes,) = sheet(1, panel=(max(6, 0.22 * count), 3.2))
    axes.bar(range(count), found.vitality, color=[PALETTE[1 if i in found.vital_layers else 5] for i in range(count)])
    axes.axhline(found.threshold, color="black", linewidth=0.8, linestyle="--")
    if singles := [index for index, name in enumerate(found.layers) if name.startswith("single")]:
        axes.axvline(singles[0] - 0.5, color=PALETTE[-1], linewidth=0.8)
        axes.text(singles[0] - 0.4, axes.get_ylim()[1], "single-stream", va="top", fontsize=8)
    title, y = f"Vital layers of {found.model}", f"vitality (1 - {found.similarity})"
    axes.set(xlabel="attention layer", ylabel=y, title=title)
    axes.set_xticks(range(0, count, 1 if count <= 20 else 5))
    return save(figure, path)
