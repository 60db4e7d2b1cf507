"""A diffusers pipeline of a folder or the hub: only safetensors are read, and no code of the model's own is run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import ALLOCATORS_SAY, InputError, first_line, without_package
from .families import FAMILIES
from .families.flux_transformer import PATCH
from .quantization import of_component
from .single_file import transformer_in

LIBRARIES = ("diffusers", "transformers")
SHOWN = 300  # characters of what a library says
MOST_TOKENS = 10**6  # a tokenizer that does not know its length says 10^30


def pipeline_in(
    place: str, dtype: torch.dtype, at: Mapping[str, str], quantization: Any = None, transformer: Path | None = None
) -> Any:
    """The pipeline of a folder or hub id ``place``, with the ``transformer`` of a file in place of its own.

    Raises :class:`InputError` for what cannot be loaded.
    """
    import diffusers

    diffusers.utils.logging.disable_progress_bar()
    kind = _checked_index(place, at)
    own = {}
    if transformer is not None:
        own["transformer"] = transformer_in(transformer, place, at, dtype, of_component(quantization, "transformer"))
    options = {"quantization_config": quantization} if quantization else {}
    pipeline = getattr(diffusers, kind).from_pretrained(
        place, dtype=dtype, use_safetensors=True, **options, **own, **at
    )
    pipeline.set_progress_bar_config(disable=True)
    _check_parts(place, kind, pipeline)
    return pipeline


def _checked_index(place: str, at: Mapping[str, str]) -> str:
    """The pipeline's class. Raises :class:`InputError` for others than ours, and for parts that need other code."""
    from diffusers import DiffusionPipeline

    index = DiffusionPipeline.load_config(place, **at)
    if not isinstance(index, dict):
        raise InputError(f"{place} is not a model: its model_index.json is a {type(index).__name__}, and no object.")
    kind = index.get("_class_name")
    if not isinstance(kind, str) or kind not in FAMILIES.table:
        raise InputError(f"{place} is a {kind}; the models that can be loaded are {' and '.join(FAMILIES)}.")
    for name, part in index.items():
        if not isinstance(part, list) or part == [None, None]:
            continue
        if len(part) != 2 or part[0] not in LIBRARIES or not isinstance(part[1], str):
            raise InputError(
                f"{place} says that its {name} is {part}; only parts of {' and '.join(LIBRARIES)} are loaded."
            )
    return kind


def _check_parts(place: str, kind: str, pipeline: Any) -> None:
    latent, taken = pipeline.vae.config.latent_channels * PATCH**2, pipeline.transformer.config.in_channels
    filled = 2 * latent + (PATCH * pipeline.vae_scale_factor) ** 2
    if taken != (wanted := {"FluxPipeline": latent, "FluxFillPipeline": filled}[kind]):
        raise InputError(f"{place} takes {taken} channels a token where a {kind} takes {wanted}: a control model?")
    if pipeline.tokenizer.model_max_length > MOST_TOKENS:
        raise InputError(f"the tokenizer of {place} does not say its length; add model_max_length to its config.")


@contextmanager
def in_one_sentence(model: str | Path, place: str) -> Iterator[None]:
    """Turn whatever libraries raise over a model's files, or the hub, into an :class:`InputError`."""
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        raise without_package(error, f"the model {str(model)!r}") from error
    except Exception as error:
        if any(words in f"{type(error).__name__} {error}".lower() for words in ALLOCATORS_SAY):
            raise
        advice = "check its files, or download it again"
        if not Path(place).exists():
            advice = (
                "check the name and the network, and for FLUX.1-dev accept its licence on the hub and log in with "
                "`hf auth login`"
            )
        reason = f"{type(error).__name__}: {first_line(error)}"[:SHOWN]
        raise InputError(f"the model {str(model)!r} cannot be loaded ({reason}); {advice}.") from error
