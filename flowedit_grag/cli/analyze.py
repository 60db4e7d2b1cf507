"""``flowedit-grag analyze``: what happens inside, as figures with their numbers beside them."""

import math
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from ..errors import InputError
from . import arguments, output
from .options import Device, Dtype, Offload, Quantization, Seed

app = typer.Typer(help="Figures of what happens inside, with their numbers beside them.", no_args_is_help=True)

ImagePath = Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture to look at.", show_default=False)]
SourcePrompt = Annotated[str, typer.Option(help="What the picture shows.", show_default=False)]
TargetPrompt = Annotated[str, typer.Option(help="What it should show.", show_default=False)]
Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder for the figures.", show_default=False)]
Model = Annotated[str, typer.Option(help="lab, a folder, or a hub id.")]
Steps = Annotated[int, typer.Option(help="Noise levels: those of a schedule of so many steps.")]


@app.command()
def bias(
    image: ImagePath,
    source_prompt: SourcePrompt,
    target_prompt: TargetPrompt,
    out: Folder,
    layers: Annotated[
        Optional[str], typer.Option(help="Attention layers drawn one by one, as in 0,2; by default the vital ones.")
    ] = None,
    model: Model = "lab",
    steps: Steps = 8,
    seed: Seed = 0,
    device: Device = None,
    dtype: Dtype = None,
    offload: Offload = "none",
    quantization: Quantization = None,
) -> None:
    """How much queries and keys have in common: shares, norm maps, heads (GRAG's figures 2, 4, 5, S9 to S14)."""
    drawn = None if layers is None else _numbers(layers, "--layers", int)
    branches = _branches(
        image, source_prompt, target_prompt, steps, seed, out,
        model=model, device=device, dtype=dtype, offload=offload, quantization=quantization,
    )  # fmt: skip
    from ..analysis import bias_figures
    from ..analysis.bias import bias as measure

    if drawn is None:
        drawn = list(branches.flow.profile.vital_layers or (0,))
    with output.progress(quiet=False) as on_progress:
        found = measure(branches, drawn, on_progress)
    _print(bias_figures.write(found, out))


@app.command()
def entropy(
    image: ImagePath,
    source_prompt: SourcePrompt,
    target_prompt: TargetPrompt,
    out: Folder,
    delta: Annotated[str, typer.Option(help="FROM:TO:COUNT, or numbers with commas between.")] = "0.9:1.3:5",
    model: Model = "lab",
    steps: Steps = 8,
    seed: Seed = 0,
    device: Device = None,
    dtype: Dtype = None,
    offload: Offload = "none",
    quantization: Quantization = None,
) -> None:
    """How concentrated attention becomes as delta grows, layer by layer (GRAG's figure S2)."""
    deltas = arguments.strengths(delta)
    branches = _branches(
        image, source_prompt, target_prompt, steps, seed, out,
        model=model, device=device, dtype=dtype, offload=offload, quantization=quantization,
    )  # fmt: skip
    from ..analysis import entropy as entropies

    with output.progress(quiet=False) as on_progress:
        found = entropies.entropies(branches, deltas, on_progress)
    _print(entropies.write(found, out))


@app.command()
def toy(out: Folder) -> None:
    """One query, two source tokens and a word, under every way of weighing them (GRAG's figure S1)."""
    _check_folder(out)
    from ..analysis.toy import write

    _print(write(out))


@app.command()
def strength(
    image: ImagePath,
    out: Folder,
    options: Annotated[
        Optional[list[str]], typer.Argument(metavar="[KEY=VALUE]...", help="Of the method: steps=24.")
    ] = None,
    source_prompt: Annotated[Optional[str], typer.Option(help="What the picture shows.")] = None,
    target_prompt: Annotated[Optional[str], typer.Option(help="What it should show.")] = None,
    instruction: Annotated[Optional[str], typer.Option(help="What to change, for icedit.")] = None,
    metrics: Annotated[str, typer.Option(help="Names with commas between.")] = "psnr,ssim",
    method: Annotated[
        Optional[str], typer.Option(help="[default: icedit with --instruction, else stableflow+]")
    ] = None,
    model: Annotated[Optional[str], typer.Option(help="lab, a folder, or a hub id; by default lab.")] = None,
    seed: Seed = 0,
    device: Device = None,
    dtype: Dtype = None,
    offload: Offload = "none",
    quantization: Quantization = None,
) -> None:
    """Every way of turning the strength on one edit: strips and curves (GRAG's figures 1, 9 and 10)."""
    _check_folder(out)
    words = arguments.words(instruction, source_prompt, target_prompt)
    editor = arguments.editor(
        image, options, None, None, quiet=False, method=arguments.method(method, instruction), model=model,
        device=device, dtype=dtype, offload=offload, quantization=quantization,
    )  # fmt: skip
    from ..analysis.strength import curves, edits, write
    from ..backbone.image import read_image
    from ..methods.request import EditRequest

    source, missing = read_image(image), {}
    measure = _measure(metrics.split(","), words, missing)
    with output.progress(quiet=False) as on_progress:
        images = edits(editor.method, editor.flow, source, EditRequest.of(**words), seed=seed, on_progress=on_progress)
    paths = write(images, source, curves(images, source, measure), out)
    for name, reason in missing.items():
        print(f"warning: {name} is missing: {reason}.", file=sys.stderr)
    _print(paths)


def _branches(image, source_prompt, target_prompt, steps, seed, out, *, model, **loading) -> Any:
    """The picture's two branches on the loaded model, after a look at everything that could be wrong before that."""
    _check_folder(out)
    arguments.words(None, source_prompt, target_prompt)
    with output.waiting("loading", quiet=False):
        from ..analysis.branches import Branches
        from ..backbone.image import read_image
        from ..backbone.load import load

        picture = read_image(image)
        flow = load(model, **loading)
        return Branches.of(
            flow, picture, source_prompt=source_prompt, target_prompt=target_prompt, steps=steps, seed=seed
        )


def _measure(names: list[str], words: dict, missing: dict[str, str]):
    """A function ``(edit, source) -> numbers``; what a metric cannot say is ``None``, and why goes into ``missing``."""
    import numpy as np

    from ..metrics import Images, Missing, measure
    from ..metrics import metrics as chosen

    found = chosen(names)

    def measured(edit, source) -> dict[str, float | None]:
        numbers = measure(found, Images(np.asarray(edit), np.asarray(source), **words))
        missing.update({name: said.reason.rstrip(".") for name, said in numbers.items() if isinstance(said, Missing)})
        return {
            name: None if isinstance(number, Missing) or not math.isfinite(number) else number
            for name, number in numbers.items()
        }

    return measured


def _numbers(text: str, flag: str, kind: type) -> list:
    try:
        return [kind(value) for value in text.split(",")]
    except ValueError:
        raise InputError(f"{flag} takes numbers with commas between, not {text!r}.") from None


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder with -o.")
    output.check_writable(folder / "figure.png")


def _print(paths: list[Path]) -> None:
    for path in paths:
        print(path)
