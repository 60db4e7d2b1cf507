"""``flowedit-grag calibrate``: what a strength turns, on a model whose profile does not say."""

import os
from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any

import typer

from ..embedded import MODELS
from ..errors import InputError
from . import arguments, output
from .options import LoadingOptions, Overwrite, Seed, grouped

STEPS, GUIDANCE = 28, 3.5  # of pictures of the model's own
Count = Annotated[int, typer.Option("--pictures", help="How many pictures are edited.")]


@grouped
def calibrate(
    loading: LoadingOptions,
    out: Annotated[Path, typer.Option("-o", "--output", help="JSON; the chart goes beside it.")],
    options: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Of the method.", show_default=False)
    ] = None,
    method: Annotated[str, typer.Option(help="`flowedit-grag methods` lists them.")] = "stableflow+",
    model: Annotated[str | None, typer.Option(help="By default what suits the method.")] = None,
    adapter: Annotated[str | None, typer.Option(help="LoRA or LoRA-MoE.")] = None,
    problems: Annotated[
        Path | None,
        typer.Option(
            help="A folder with pictures and a CSV of prompts, as runs take them; by default the model's own."
        ),
    ] = None,
    pictures: Count = 16,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Find what a strength from 0 to 1 turns of a method, and how far: for edit --calibrate FILE."""
    for path, ending in ((out, ".json"), (out.with_suffix(".png"), ".png")):
        output.check_writable(path, endings=(ending,))
        if os.path.lexists(path) and not (overwrite and os.path.lexists(out)):  # a chart alone may be somebody's photo
            raise InputError(f"{path} is there already; name another file with -o, or give --overwrite.")
    if pictures < 1:
        raise InputError(f"--pictures must be from 1 on, not {pictures}.")
    flags = {name: value for name, value in {"model": model, "adapter": adapter, **vars(loading)}.items() if value}
    with output.loading(quiet=False):
        from ..editor import LOADING, Editor
        from ..methods.resolve import check_selection

        given = arguments.key_values(options)
        own = {name: value for name, value in given.items() if name not in LOADING}
        check_selection(method, None, {**own, "strength": 0.0})  # that there is something to turn
        editor = Editor(method, **flags, **given)
        posed = list(_problems(editor, problems, pictures, seed))
    with output.progress(quiet=False) as on_progress:
        found = editor.calibrate(posed, on_progress)
    print(*found.write(out), sep="\n")


def _problems(editor: Any, file: Path | None, count: int, seed: int) -> Iterator[Mapping[str, Any]]:
    """Pictures with what to make of them: the given ones, the lab's, or the model's own pictures of its pairs."""
    from ..experiments.datasets import dataset
    from ..methods.frame import words

    if file is None and editor.flow.name not in MODELS:
        yield from _own(editor, count, seed)
        return
    samples = (
        dataset("lab", split="validation", per_task=-(-count // 8)) if file is None else dataset("folder", path=file)
    )
    for sample in samples[:count]:
        yield {"image": sample.image(), "seed": seed, **words(editor.method, sample)}


def _own(editor: Any, count: int, seed: int) -> Iterator[Mapping[str, Any]]:
    from ..analysis.carry import PAIRS
    from ..analysis.vital_layers import generator_of

    if editor.method.fills:
        raise InputError("a Fill model makes no pictures from prompts alone; give some with --problems.")
    flow = editor.flow
    for index, (source, target) in enumerate(
        islice(cycle(flow.profile.pairs or PAIRS), count)
    ):  # each from its own seed
        (latents,) = generator_of(flow, [source], [seed + index], STEPS, None, GUIDANCE)()
        image = flow.decode(latents, (flow.side, flow.side))
        yield {"image": image, "source_prompt": source, "target_prompt": target, "seed": seed}
