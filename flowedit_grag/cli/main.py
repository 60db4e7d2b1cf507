"""The command line: what can be typed, and how mistakes are answered."""

import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from .. import __version__
from ..errors import InputError, memory_advice
from . import analyze, arguments, output
from .options import (
    Adapter,
    BothOrders,
    Device,
    Dtype,
    EarlyFilterText,
    ImagePath,
    Instruction,
    Json,
    JudgeName,
    KeepRecord,
    Lam,
    MethodName,
    Model,
    Offload,
    Options,
    Quantization,
    Resume,
    Seed,
    SourcePrompt,
    TargetPrompt,
)

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
def edit(
    image: ImagePath,
    options: Options = None,
    source_prompt: SourcePrompt = None,
    target_prompt: TargetPrompt = None,
    instruction: Instruction = None,
    method: MethodName = None,
    delta: Annotated[Optional[float], typer.Option(help="Strength: above 1 keeps more of the source.")] = None,
    lam: Lam = None,
    model: Model = None,
    adapter: Adapter = None,
    early_filter: EarlyFilterText = None,
    judge: JudgeName = None,
    both_orders: BothOrders = False,
    resume: Resume = False,
    keep_record: KeepRecord = False,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("-o", "--output", help="Where the edited picture goes.")] = Path("edited.png"),
    as_json: Json = False,
    device: Device = None,
    dtype: Dtype = None,
    offload: Offload = "none",
    quantization: Quantization = None,
) -> None:
    """Edit a picture."""
    output.check_writable(out)
    words = arguments.words(instruction, source_prompt, target_prompt)
    early = arguments.early_filter(
        early_filter, judge=judge, both_orders=both_orders, resume=resume, keep_record=keep_record
    )
    editor = arguments.editor(
        image, options, delta, lam, quiet=as_json, adapter=adapter, method=arguments.method(method, instruction),
        model=model, device=device, dtype=dtype, offload=offload, quantization=quantization,
    )  # fmt: skip
    with output.progress(quiet=as_json) as on_progress:
        result = editor.edit(image, **words, seed=seed, early_filter=early, on_progress=on_progress)
    output.save(result.image, out)
    if keep_record and result.filtered:
        output.save_record(result, out)
    output.report(result, out, as_json)


@app.command()
def sweep(
    image: ImagePath,
    options: Options = None,
    source_prompt: SourcePrompt = None,
    target_prompt: TargetPrompt = None,
    instruction: Instruction = None,
    delta: Annotated[str, typer.Option(help="FROM:TO:COUNT, or strengths with commas between.")] = "0.9:1.3:5",
    method: MethodName = None,
    lam: Lam = None,
    model: Model = None,
    adapter: Adapter = None,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("-o", "--output", help="Where the labelled strip goes.")] = Path("strip.png"),
    as_json: Json = False,
    device: Device = None,
    dtype: Dtype = None,
    offload: Offload = "none",
    quantization: Quantization = None,
) -> None:
    """The same edit at several strengths, as a labelled strip."""
    output.check_writable(out)
    words = arguments.words(instruction, source_prompt, target_prompt)
    strengths = arguments.strengths(delta)
    editor = arguments.editor(
        image, options, 1.0, lam, quiet=as_json, adapter=adapter, method=arguments.method(method, instruction),
        model=model, device=device, dtype=dtype, offload=offload, quantization=quantization,
    )  # fmt: skip
    with output.progress(quiet=as_json) as on_progress:
        strip = editor.sweep(image, **words, delta=strengths, seed=seed, on_progress=on_progress)
    output.save(strip.image, out)
    output.report(strip, out, as_json)


@app.command()
def scene(
    out: Annotated[Path, typer.Option("-o", "--output", help="Folder for the pictures and scene.json.")],
    seed: Seed = 0,
    task: Annotated[
        Optional[str], typer.Option(help="color, shape, size, background, add, remove, move, style.")
    ] = None,
) -> None:
    """Draw an editing problem of the lab with its ground truth."""
    from ..lab.export import write_edit

    print(write_edit(out, seed, task))


@app.command("vital-layers")
def vital_layers(
    out: Annotated[Path, typer.Option("-o", "--output", help="JSON; the bar chart goes beside it.")],
    model: Annotated[str, typer.Option(help="lab, a folder, or a hub id.")] = "lab",
    prompts: Annotated[int, typer.Option(help="How many prompts.")] = 8,
    seeds: Annotated[int, typer.Option(help="How many images for each.")] = 1,
    steps: Annotated[int, typer.Option(help="Sampling steps.")] = 15,
    device: Device = None,
    dtype: Dtype = None,
    offload: Offload = "none",
    quantization: Quantization = None,
) -> None:
    """Find the layers whose bypassing changes generated images most."""
    from ..analysis.vital_layers import detect, write
    from ..backbone.load import load

    output.check_writable(out, endings=(".json",))
    with output.waiting("loading", quiet=False):
        loading: dict[str, Any] = {"dtype": dtype, "device": device, "offload": offload, "quantization": quantization}
        flow = load(model, **loading)
    with output.progress(quiet=False) as on_progress:
        found = detect(flow, prompts=prompts, seeds=seeds, steps=steps, on_progress=on_progress)
    for path in write(found, out):
        print(path)


@app.command()
def train(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="YAML, or the name of one in configs/.", show_default=False)
    ],
    options: Annotated[
        Optional[list[str]], typer.Argument(metavar="[KEY=VALUE]...", help="Changes: steps=100 adapter.rank=8.")
    ] = None,
) -> None:
    """Train a LoRA or LoRA-MoE adapter of a Fill model; goes on where a killed run stopped."""
    from . import train as training

    training.train(config, options)


@app.command("run")
def run_experiment(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="YAML, or the name of one in configs/.", show_default=False)
    ],
    options: Annotated[
        Optional[list[str]],
        typer.Argument(metavar="[KEY=VALUE]...", help="Changes: seed=1 dataset.per_task=5 'methods[a row].steps=8'."),
    ] = None,
    executor: Annotated[str, typer.Option(help="serial, local, ray, or your own 'module:function'.")] = "serial",
    workers: Annotated[Optional[int], typer.Option(help="How many processes; by default one for each GPU.")] = None,
    limit: Annotated[Optional[int], typer.Option(help="Take the benchmark's first samples only.")] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try failed samples again, and missing numbers.")
    ] = False,
) -> None:
    """Methods on a benchmark, measured, as a table; goes on where a killed run stopped."""
    from . import run as running

    running.run(config, options, executor, workers, limit, retry_failed)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--output", help="Folder for page, tables, figures.")] = Path("report"),
) -> None:
    """Finished or not, runs as one page to look at, tables with intervals beside published numbers, and figures."""
    from . import report as reporting

    reporting.report(runs, out)


@app.command()
def claims(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs of configs/lab.", show_default=False)],
    measurements: Annotated[Path, typer.Option(help="Folder that python -m benchmarks wrote.")] = Path("measurements"),
    out: Annotated[Path, typer.Option("-o", "--output", help="The table, in Markdown.")] = Path("claims.md"),
) -> None:
    """The papers' claims: what was measured of each, and whether it holds."""
    from . import report as reporting

    reporting.claims(runs, measurements, out)


@app.command()
def methods() -> None:
    """List the methods, their papers and their options."""
    from .listing import print_methods

    print_methods()


def run() -> None:
    """Entry point: an :class:`InputError` is one sentence on stderr and exit code 2."""
    arguments.quiet_libraries()
    try:
        with memory_advice():
            app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
