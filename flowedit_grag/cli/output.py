"""What the command line writes: files whole or not at all, progress on stderr, one report on stdout."""

import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from .. import files, image_file
from ..errors import InputError, shortened
from ..image_file import FORMATS, check_format

NAME_ONE = "name a file that does with -o."
ADVICE = "choose another place with -o."


def check_writable(path: Path, endings: Collection[str] = tuple(FORMATS)) -> None:
    """Raise :class:`InputError` unless a file with one of ``endings`` can be written at ``path``. Leaves nothing."""
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; name a file in it.")
    if path.suffix.lower() not in endings:
        raise InputError(f"{shortened(str(path))} does not end in {', '.join(endings)}; {NAME_ONE}")
    files.check_writable(path.parent, ADVICE, path.name)


def new_file(
    path: Path, inputs: Iterable[Path], overwrite: bool, size: tuple[int, int], keep_record: bool = False
) -> Path:
    """``path``, settled. Raises :class:`InputError` unless a picture of ``size = (width, height)`` can be written
    there, and its record beside it: none of the ``inputs``, and without ``overwrite`` nothing that is there already."""
    inputs, path = list(inputs), files.settled(path)
    for made in (path, *(record_of(path) if keep_record else ())):
        check_writable(made, endings=(*FORMATS, ".json") if made != path else tuple(FORMATS))
        if any(os.path.exists(made) and os.path.samefile(made, given) for given in inputs if os.path.exists(given)):
            raise InputError(f"{made} is the picture that is worked from; name another file with -o.")
        if os.path.lexists(made) and not overwrite:
            raise InputError(f"{made} is there already; name another file with -o, or give --overwrite.")
    check_format(path, size)
    return path


def saved(result, path: Path, overwrite: bool, index: int | None = None) -> Path:
    """Write a :class:`Result` at ``path``; or if something came there since :func:`new_file`, at the next free name,
    so that nothing is lost."""
    tried, number = path, 1
    while True:
        with suppress(FileExistsError):
            result.save(tried, index, overwrite=overwrite)
            return tried
        number += 1
        tried = path.with_stem(f"{path.stem}-{number}")


def record_of(path: Path) -> tuple[Path, Path]:
    """Where an early filter's previews and the judge's answers go, beside the picture at ``path``."""
    return path.with_suffix(".previews.png"), path.with_suffix(".record.json")


def save_record(result, path: Path) -> None:
    """Write an early filter's previews and the judge's answers beside the picture at ``path``."""
    previews, record = record_of(path)
    image_file.save(result.filtered.contact_sheet(result.source), previews)
    with files.written(record) as partial:
        partial.write_text(json.dumps(result.filtered.record(), indent=1) + "\n", encoding="utf-8")


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
        bar.update(tasks[state.stage], completed=state.step, total=state.steps)

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
    if (detail := result.settings.get("detail") or {}).get("scaled_down"):
        width, height = result.settings["size"]
        print(f"worked on at {width}x{height}; fine detail of the original in {min(detail['kept']):.0%} of the picture")
    print(f"{cost['seconds']:.1f} s, NFE {result.nfe} in {result.forward_calls} calls, {cost['peak_memory_mb']:.0f} MB")
