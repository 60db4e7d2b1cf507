"""What the command line writes: files whole or not at all, progress on stderr, one report on stdout."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError


def check_writable(path: Path) -> None:
    """Raise :class:`InputError` unless a picture or JSON can be written at ``path``; makes its folder."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it.")
    if path.suffix.lower() not in {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".json"}:
        raise InputError(f"{path} has no ending that says how to write it; use .png, .jpg, .webp or .tif.")
    probe = _partial(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"cannot write in {path.parent}: {error.strerror}; choose another place with -o.") from None


def save(image, path: Path) -> None:
    """Write a PIL image under a temporary name, then rename it."""
    partial = _partial(path)
    try:
        image.save(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")


@contextmanager
def progress(quiet: bool) -> Iterator:
    """A progress bar on stderr, with steps and time left; yields the callback that moves it."""
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, int] = {"load": bar.add_task("load", total=None)}

        def show(state) -> None:
            bar.update(tasks["load"], total=1, completed=1)
            if state.stage not in tasks:
                tasks[state.stage] = bar.add_task(state.stage, total=state.steps)
            bar.update(tasks[state.stage], completed=state.step)

        yield show


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
    print(f"{cost['seconds']:.1f} s, NFE {result.nfe} in {result.forward_calls} calls, {cost['peak_memory_mb']:.0f} MB")
