"""The command line: what can be typed, and how mistakes are answered."""

import errno
import sys
import textwrap
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Literal

import typer

from .. import __version__
from ..contact_sheet import strip_size
from ..errors import InputError, memory_advice
from . import analyze, arguments, calibrate, output, pictures, runs
from .options import Edit, LoadedModel, LoadingOptions, Overwrite, Seed, grouped

CRASHED, INTERRUPTED = 70, 130  # exit codes, as sysexits.h and shells have them
STOPPED = "stopped; files are whole or not there, and runs and trainings go on where they were."
app = typer.Typer(
    name="flowedit-grag",
    help="Edit real images with rectified-flow transformers, at any strength, without training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(analyze.app, name="analyze")


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Edit real images with rectified-flow transformers, at any strength, without training."""


@app.command()
@grouped
def edit(
    edit: Edit,
    loading: LoadingOptions,
    strength: Annotated[
        float | None, typer.Option(help="From 0, the weakest edit, to 1, for methods with something to turn.")
    ] = None,
    delta: Annotated[float | None, typer.Option(help="GRAG's: above 1 keeps more of the source.")] = None,
    early_filter: Annotated[
        str | None, typer.Option(help="SEEDSxSTEPS, such as 6x10: finish the best of 6 previews.")
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="Of the previews: lab, clip, vlm:MODEL, openai:MODEL@URL; else what suits the model."),
    ] = None,
    both_orders: Annotated[
        bool, typer.Option("--both-orders", help="Ask the judge twice, with the pictures swapped.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the winner's preview; cheaper.")] = False,
    keep_record: Annotated[
        bool, typer.Option("--keep-record", help="Write previews and answers beside the picture.")
    ] = False,
    out: Annotated[Path, typer.Option("-o", "--output", help="Where the edited picture goes.")] = Path("edited.png"),
    overwrite: Overwrite = False,
) -> None:
    """Edit a picture."""
    size = arguments.size_of(edit.image)
    out = output.new_file(out, (edit.image,), overwrite, size, keep_record)
    words = arguments.words(edit.instruction, edit.source_prompt, edit.target_prompt)
    early = arguments.early_filter(
        early_filter, judge=judge, both_orders=both_orders, resume=resume, keep_record=keep_record
    )
    turned = arguments.strength(strength, delta, edit)
    editor = arguments.editor(edit, loading, delta, turned=bool(turned))
    with output.progress(quiet=edit.as_json) as on_progress:
        result = editor.edit(
            edit.image, **words, **turned, seed=edit.seed, detail=edit.detail, early_filter=early,
            on_progress=on_progress,
        )  # fmt: skip
    out = output.saved(result, out, overwrite)
    if keep_record and result.filtered:
        output.save_record(result, out)
    output.report(result, out, edit.as_json)


@app.command()
@grouped
def sweep(
    edit: Edit,
    loading: LoadingOptions,
    strength: Annotated[
        str | None, typer.Option(help="FROM:TO:COUNT in [0, 1], or with commas between.  [default: 0:1:5]")
    ] = None,
    delta: Annotated[str | None, typer.Option(help="GRAG's in place of strengths, written alike.")] = None,
    out: Annotated[Path, typer.Option("-o", "--output", help="Where the labelled strip goes.")] = Path("strip.png"),
    overwrite: Overwrite = False,
) -> None:
    """The same edit at several strengths, as a labelled strip."""
    size, turned = arguments.size_of(edit.image), arguments.sweep(strength, delta, edit)
    count = len(turned.get("strength") or turned["delta"])
    out = output.new_file(out, (edit.image,), overwrite, strip_size([size] * (1 + count)))
    words = arguments.words(edit.instruction, edit.source_prompt, edit.target_prompt)
    editor = arguments.editor(edit, loading, None if delta is None else 1.0, turned=delta is None)
    with output.progress(quiet=edit.as_json) as on_progress:
        strip = editor.sweep(
            edit.image, **words, **turned, seed=edit.seed, detail=edit.detail, on_progress=on_progress
        )  # fmt: skip
    out = output.saved(strip, out, overwrite)
    output.report(strip, out, edit.as_json)


@app.command()
def scene(
    out: Annotated[Path, typer.Option("-o", "--output", help="Folder for the pictures and scene.json.")],
    seed: Seed = 0,
    task: Annotated[str | None, typer.Option(help="color, shape, size, background, add, remove, move, style.")] = None,
) -> None:
    """Draw an editing problem of the lab with its ground truth."""
    from ..lab.export import write_edit

    print(write_edit(out, seed, task))


@app.command()
@grouped
def vital_layers(
    loading: LoadingOptions,
    out: Annotated[Path, typer.Option("-o", "--output", help="JSON; the chart goes beside it.")],
    model: LoadedModel = "lab",
    detector: Annotated[
        Literal["bypass", "carry"],
        typer.Option(help="Layers without which pictures change most, or those that carry a source into an edit."),
    ] = "bypass",
    prompts: Annotated[int, typer.Option(help="How many prompts, or pairs of them for carry.")] = 8,
    seeds: Annotated[int, typer.Option(help="How many images for each.")] = 1,
    steps: Annotated[int | None, typer.Option(help="Sampling steps; by default 15, for carry 10.")] = None,
) -> None:
    """Find the layers that matter: those whose bypassing changes generated images most, or that carry a source."""
    from ..analysis import carry, vital_layers
    from ..backbone.load import load

    output.check_writable(out, endings=(".json",))
    with output.loading(quiet=False):
        flow = load(model, **vars(loading))
    with output.progress(quiet=False) as on_progress:
        if detector == "carry":
            carried = carry.detect(
                flow, pairs=prompts, seeds=seeds, steps=carry.STEPS if steps is None else steps, on_progress=on_progress
            )
            paths = carry.write(carried, out)
        else:
            found = vital_layers.detect(
                flow, prompts=prompts, seeds=seeds, steps=15 if steps is None else steps, on_progress=on_progress
            )
            paths = vital_layers.write(found, out)
    print(*paths, sep="\n")


app.command()(calibrate.calibrate)
for command in (pictures.show, pictures.redo, runs.train, runs.run, runs.report, runs.claims):
    app.command()(command)


@app.command()
def methods() -> None:
    """List the methods, their papers and their options."""
    from ..methods import CONTROL, METHODS
    from ..result import plain

    for name in METHODS:
        kind = METHODS[name]
        paper = (sys.modules[kind.__module__].__doc__ or "").strip().splitlines()[0]  # what its file opens with
        own = (kind.__doc__ or "").strip().split("\n\n")[0]
        about = textwrap.fill(f"{paper} {' '.join(own.split())}", 100)
        print(f"{name}\n{textwrap.indent(about, '    ')}")
        for f in fields(kind):
            default = "required" if f.default is MISSING else plain(f.default)
            names = (f.name,) if f.name != "control" else CONTROL if kind.takes_control else ()
            for written in names:
                print(f"      {written}={'' if default is None else default}")
        print()


def run() -> None:
    """Entry point: an :class:`InputError` is one sentence on stderr and exit code 2, Ctrl-C one and 130, and whatever
    else is raised one with a file for a report, and 70."""
    arguments.quiet_libraries()
    code, said = 0, ""
    try:
        with memory_advice():
            app()
    except InputError as error:
        code, said = 2, f"error: {error}"
    except SystemExit as ended:  # which is how typer ends, after Ctrl-C too
        unexpected = getattr(ended.__context__, "__cause__", None)
        if isinstance(unexpected, EOFError):  # it takes one for the end of what is typed, and we ask for nothing
            code, said = CRASHED, _crashed(unexpected)
        elif ended.code == INTERRUPTED:
            code, said = INTERRUPTED, STOPPED
        else:
            raise
    except KeyboardInterrupt:
        code, said = INTERRUPTED, STOPPED
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)  # of stdout too
        code, said = (2, f"error: {error.strerror}; make room.") if full else (CRASHED, _crashed(error))
    except Exception as error:
        code, said = CRASHED, _crashed(error)
    if code:
        print(said, file=sys.stderr)
        sys.exit(code)


def _crashed(error: BaseException) -> str:
    from .crash import crashed

    return f"error: {crashed(error, sys.argv)}"
