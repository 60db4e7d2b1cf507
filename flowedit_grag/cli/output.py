"""What the command line writes: files whole or not at all, progress on stderr, one report on stdout."""

import json
import sys
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from .. import files
from ..errors import InputError

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


def check_writable(path: Path, endings: Collection[str] = PICTURES) -> None:
    """Raise :class:`InputError` unless a file with one of ``endings`` can be written at ``path``. Leaves nothing."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it.")
    if path.suffix.lower() not in endings:
        raise InputError(f"{path} does not end in {', '.join(endings)}; name a file that does with -o.")
    files.check_writable(path.parent, "choose another place with -o.")


def save(image, path: Path) -> None:
    """Write a PIL image whole or not at all, making its folder."""
    with files.written(path) as partial:
        image.save(partial)


def save_record(result, path: Path) -> None:
    """Write an early filter's previews and the judge's answers beside the picture at ``path``."""
    save(result.filtered.contact_sheet(result.source), path.with_suffix(".previews.png"))
    with files.written(path.with_suffix(".record.json")) as partial:
        partial.write_text(json.dumps(result.filtered.record(), indent=1) + "\n")


@contextmanager
def progress(quiet: bool) -> Iterator:
    """A progress bar on stderr, with steps and time left; yields the callback that moves it, and starts it."""
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True))
    tasks: dict = {}

    def show(state) -> None:
        if not tasks:
            bar.start()
        if state.stage not in tasks:
            tasks[state.stage] = bar.add_task(state.stage, total=state.steps)
        bar.update(tasks[state.stage], completed=state.step)

    try:
        yield show
    finally:
        if tasks:
            bar.stop()


def loading(quiet: bool) -> AbstractContextManager:
    """Say on a terminal's stderr that something is loaded, for the length of a block."""
    if quiet:
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status("loading")


def report(result, path: Path, as_json: bool) -> None:
    """One JSON object, or two lines for a person."""
    cost = {
        "nfe": result.nfe,
        "forward_calls": result.forward_calls,
        "seconds": round(result.seconds, 3),
        "peak_memory_mb": round(result.peak_memory_mb, 1),
    }
    if as_json:
        json.dump({"output": str(path), **cost, "settings": result.settings}, sys.stdout)
        print()
        return
    print(path)
    if result.filtered:
        found = result.filtered
        undecided = f"{found.undecided} comparisons undecided, {found.ties} of them ties"
        print(f"seed {found.seed} of {len(found.seeds)} tried; {undecided}")
    print(f"{cost['seconds']:.1f} s, NFE {result.nfe} in {result.forward_calls} calls, {cost['peak_memory_mb']:.0f} MB")
