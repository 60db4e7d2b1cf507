"""``flowedit-grag analyze``: what happens inside, as figures with their numbers beside them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError
from . import arguments, output
from .options import LoadedModel, LoadingOptions, Seed, grouped

app = typer.Typer(help="Figures of what happens inside, with their numbers beside them.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder for the figures.", show_default=False)]


@dataclass(frozen=True)
class Subject:
    """What is looked at."""

    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture to look at.", show_default=False)]
    source_prompt: Annotated[str, typer.Option(help="What the picture shows.", show_default=False)]
    target_prompt: Annotated[str, typer.Option(help="What it should show.", show_default=False)]
    out: Folder
    model: LoadedModel = "lab"
    steps: Annotated[int, typer.Option(help="Noise levels: those of a schedule of so many steps.")] = 8
    seed: Seed = 0


@app.command()
@grouped
def bias(
    subject: Subject,
    loading: LoadingOptions,
    layers: Annotated[
        str | None, typer.Option(help="Attention layers drawn one by one, as in 0,2; by default the vital ones.")
    ] = None,
) -> None:
    """How much queries and keys have in common: shares, norm maps, heads (GRAG's figures 2, 4, 5, S9 to S14)."""
    drawn = None if layers is None else _layers(layers)
    branches = _branches(subject, loading)
    from ..analysis import bias as biases

    if drawn is None:
        drawn = list(branches.flow.profile.vital_layers or (0,))
    with output.progress(quiet=False) as on_progress:
        found = biases.bias(branches, drawn, on_progress)
    print(*biases.write(found, subject.out), sep="\n")


@app.command()
@grouped
def entropy(
    subject: Subject,
    loading: LoadingOptions,
    delta: Annotated[str, typer.Option(help="FROM:TO:COUNT, or numbers with commas between.")] = "0.9:1.3:5",
) -> None:
    """How concentrated attention becomes as delta grows, layer by layer (GRAG's figure S2)."""
    deltas = arguments.numbers(delta, "delta")
    branches = _branches(subject, loading)
    from ..analysis import entropy as entropies

    with output.progress(quiet=False) as on_progress:
        found = entropies.entropies(branches, deltas, on_progress)
    print(*entropies.write(found, subject.out), sep="\n")


@app.command()
def toy(out: Folder) -> None:
    """One query, two source tokens and a word, under every way of weighing them (GRAG's figure S1)."""
    _check_folder(out)
    from ..analysis.toy import write

    print(*write(out), sep="\n")


def _branches(subject: Subject, loading: LoadingOptions) -> Any:
    """The picture's two branches on the loaded model, after a look at everything that could be wrong before that."""
    _check_folder(subject.out)
    arguments.words(None, subject.source_prompt, subject.target_prompt)
    with output.loading(quiet=False):
        from ..analysis.branches import Branches
        from ..backbone.image import read_image
        from ..backbone.load import load

        picture = read_image(subject.image)
        flow = load(subject.model, **vars(loading))
        return Branches.of(
            flow, picture, source_prompt=subject.source_prompt, target_prompt=subject.target_prompt,
            steps=subject.steps, seed=subject.seed,
        )  # fmt: skip


def _layers(text: str) -> list[int]:
    try:
        return [int(value) for value in text.split(",")]
    except ValueError:
        raise InputError(f"--layers takes numbers with commas between, not {text!r}.") from None


def _check_folder(folder: Path) -> None:
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise InputError(f"{folder} is a file; name a folder with -o.")
    output.check_writable(folder / "figure.png")
