"""What can be typed behind more than one command, in groups."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

Seed = Annotated[int, typer.Option(help="Of the noise.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there already.")]
LoadedModel = Annotated[str, typer.Option(help="lab, a folder, or a hub id.")]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """For typer, which knows no groups: ``command`` with the fields of every dataclass that it takes as parameters of
    their own."""
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if is_dataclass(kind := parameter.annotation):
            groups[parameter.name] = kind
            parameters += inspect.signature(kind).parameters.values()  # type: ignore[arg-type]
        else:
            parameters.append(parameter)

    @wraps(command)
    def flat(**given: Any) -> None:
        made = {name: kind(**{f.name: given.pop(f.name) for f in fields(kind)}) for name, kind in groups.items()}
        command(**made, **given)

    by_name = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    flat.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]
    return flat


@dataclass(frozen=True)
class LoadingOptions:
    """How a model is loaded."""

    device: Annotated[str | None, typer.Option(help="cuda, mps or cpu; by default the best there is.")] = None
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None
    offload: Annotated[str, typer.Option(help="none, model, sequential or group.")] = "none"
    quantization: Annotated[str | None, typer.Option(help="nf4 or int8 (on a GPU), fp8, or gguf.")] = None
    transformer: Annotated[
        str | None, typer.Option(help="A .safetensors or .gguf file in place of the model's own transformer.")
    ] = None
    lora: Annotated[
        list[str] | None, typer.Option(help="FILE or FILE:WEIGHT, such as style.safetensors:0.8; may be repeated.")
    ] = None


@dataclass(frozen=True)
class Edit:
    """Which picture is edited, how, and what is printed of it."""

    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture to edit.", show_default=False)]
    options: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Of the method (`flowedit-grag methods`), or compile, attention_backend.",
        ),
    ] = None
    source_prompt: Annotated[str | None, typer.Option(help="What the picture shows.")] = None
    target_prompt: Annotated[str | None, typer.Option(help="What it should show.")] = None
    instruction: Annotated[str | None, typer.Option(help="What to change, for icedit: 'make the star green'.")] = None
    method: Annotated[
        str | None,
        typer.Option(
            help="`flowedit-grag methods` lists them.  [default: icedit with --instruction, else stableflow+]"
        ),
    ] = None
    lam: Annotated[float | None, typer.Option(help="GRAG's weight of the keys' mean.")] = None
    calibrate: Annotated[
        str | None,
        typer.Option(help="What --strength turns: a JSON of `flowedit-grag calibrate`, or auto (measured on IMAGE)."),
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            help="A folder, a hub id such as black-forest-labs/FLUX.1-dev, lab, lab-fill; "
            "by default what suits the method."
        ),
    ] = None
    adapter: Annotated[
        str | None, typer.Option(help="LoRA or LoRA-MoE: a file, a folder, a hub id, lab-lora or lab-moe.")
    ] = None
    detail: Annotated[
        str,
        typer.Option(
            help="Of a picture larger than the model works at: original keeps its own pixels where little changed, "
            "model shows what the model made."
        ),
    ] = "original"
    seed: Seed = 0
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False
