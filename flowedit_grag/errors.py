"""Mistakes in what a person asked for, each said in one sentence."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from .hidden import masked

MOST_SAID = 800  # characters of a sentence of ours, which may list names
LONGEST = 300  # characters of what others say, and of a sentence that is longer than that
CUT = " [...] "
ALLOCATORS_SAY = ("memoryerror", "can't allocate memory", "not enough memory", "out of memory")


class InputError(ValueError):
    """The input cannot be used. The message says what is wrong and what to do; the command line exits with 2.

    It stays one line that can be read: of what was given, which may be anything, the middle is left out.
    """

    def __init__(self, said: str):
        line = " ".join(masked(said).split("\n"))
        super().__init__(line if len(line) <= MOST_SAID else shortened(line))


class Cancelled(Exception):
    """Raised by ``on_progress`` to end a job: nothing of it is left in the model, nor in memory.

    >>> def on_progress(progress):
    ...     if stop_was_pressed():
    ...         raise Cancelled
    """


def unknown(kind: str, name: str, known: Iterable[str], unlisted: Iterable[str] = ()) -> InputError:
    """An error for a ``name`` that is neither ``known`` nor known and ``unlisted``, with the likeliest one meant."""
    known = sorted(known)
    close = get_close_matches(str(name), [*known, *unlisted], n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}."
    return InputError(f"unknown {kind} {name!r}; {hint}")


def first_line(error: BaseException) -> str:
    """What ``error`` says, without the pages that some libraries add, and what is hidden."""
    lines = masked(str(error)).strip().splitlines()
    return shortened(lines[0]).rstrip(".") if lines else type(error).__name__


def shortened(line: str) -> str:
    """``line`` without its middle, if it is longer than :data:`LONGEST`."""
    half = (LONGEST - len(CUT)) // 2
    return line if len(line) <= LONGEST else f"{line[:half]}{CUT}{line[-half:]}"


EXTRAS = {  # packages that only some need -> the extra of ours that brings them
    "bitsandbytes": "quant", "gguf": "quant", "torchao": "quant", "openai": "judge", "gradio": "app", "ray": "ray",
    "datasets": "eval", "pandas": "eval", "pyarrow": "eval", "torchmetrics": "eval", "torchvision": "eval",
    "prodigyopt": "train", "tensorboard": "train",
}  # fmt: skip


def needed(module: str, purpose: str) -> ModuleType:
    """The ``module`` of a package in :data:`EXTRAS`. Raises :class:`InputError` that says what for, and what to
    install."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        install = f"flowedit-grag[{EXTRAS[package]}]"
        raise InputError(f"{purpose} needs {package} ({error}); pip install '{install}'.") from None


def missing_package(error: Exception) -> str | None:
    """The package of :data:`EXTRAS` that ``error`` speaks of and that is not installed, if there is one."""
    return next((name for name in EXTRAS if name in str(error).lower() and find_spec(name) is None), None)


def without_package(error: Exception, purpose: str) -> InputError:
    """What to install for ``purpose``, from what a library says of a package that it misses."""
    package = missing_package(error)
    install = f"pip install 'flowedit-grag[{EXTRAS[package]}]'" if package else "install it"
    return InputError(f"{purpose} needs a package that is not here ({first_line(error)[:300]}); {install}.")


LESS_MEMORY = (
    "a smaller image or memory_budget needs less, and on a GPU so do offload='model' (or 'sequential') and "
    "quantization='nf4' (or 'fp8'); what icedit-t2i records can lie in CPU memory (record_on='cpu')."
)


@contextmanager
def memory_advice(advice: str = LESS_MEMORY) -> Iterator[None]:
    """Turn running out of memory into an :class:`InputError` that says which option lowers it."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch raises plain RuntimeErrors on a CPU
        said = f"{type(error).__name__} {error}".lower()
        if not any(words in said for words in ALLOCATORS_SAY):
            raise
        raise InputError(f"out of memory; {advice}") from error
