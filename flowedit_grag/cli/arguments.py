"""From words on a command line to what the package takes."""

import logging
import os
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..errors import InputError, first_line
from ..hidden import masked
from . import output
from .options import Edit, LoadingOptions

FLAGS = {
    "method", "model", "adapter", "grag", "device", "dtype", "offload", "quantization", "transformer", "lora", "seed",
    "detail", "strength", "calibrate",
}  # fmt: skip
MOST_STRENGTHS = 1000  # of a sweep
ALL_STRENGTHS = "0:1:5"
FLAG_NAMES = {"grag": "delta or --lam"}


class MaskingFormatter(logging.Formatter):
    """Logs show nothing that is hidden."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


def quiet_libraries() -> None:
    """Keep notes of torch, diffusers and transformers off the terminal; warnings of ours are one line."""
    for name in ("TRANSFORMERS_VERBOSITY", "DIFFUSERS_VERBOSITY"):
        os.environ.setdefault(name, "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    (handler := logging.StreamHandler()).setFormatter(MaskingFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("flowedit_grag").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", module=r"(torch|diffusers|transformers|peft)\b")
    warnings.formatwarning = lambda message, *_, **__: f"warning: {masked(str(message))}\n"


def key_values(options: list[str] | None, flags: Collection[str] = FLAGS) -> dict[str, Any]:
    """``["steps=28", "vital_layers=[0,1]"]`` as a dict. Raises :class:`InputError` for anything else, and for
    ``flags``."""
    import yaml
    from omegaconf import OmegaConf

    from ..config_lines import DEEPEST, ConfigLines, ShallowLoader, check_values

    for option in options or ():
        if not option.partition("=")[0] or "=" not in option:
            raise InputError(f"{option!r} is not an option; write KEY=VALUE, for example steps=28.")
    names = [option.partition("=")[0] for option in options or ()]
    for whole in names:
        if part := next((name for name in names if name.startswith(f"{whole}.")), None):
            raise InputError(f"{whole} is given as a whole and in parts ({part}); give all of it in parts.")
    given = OmegaConf.create()
    for name, option in zip(names, options or (), strict=True):
        try:
            yaml.compose(option.partition("=")[2], ShallowLoader)
            given.merge_with_dotlist([option])
        except RecursionError:
            raise InputError(f"the options are nested more than {DEEPEST} deep.") from None
        except LookupError:
            raise InputError(f"{name!r} is no option's name; write KEY=VALUE, as in methods.one.steps=28.") from None
        except Exception as error:  # of two parsers, one of which takes no care of what it raises
            why = getattr(error, "problem", None) or first_line(error)
            raise InputError(f"the option {name} cannot be read: {why}; text may need quotation marks.") from None
    values: Any = OmegaConf.to_container(given)
    check_values(values, ConfigLines("the options", {}))
    for name in set(flags) & set(values):
        raise InputError(f"{name} is a flag of its own: write --{FLAG_NAMES.get(name, name)}.")
    return {str(key): value for key, value in dict(values).items()}


def strength(strength: float | None, delta: float | None, edit: Edit) -> dict[str, Any]:
    """What ``Editor.edit`` takes for ``--strength``. Raises :class:`InputError` for what does not go together."""
    if strength is not None and (delta is not None or edit.lam is not None):
        raise InputError("--strength turns one number of the method; give it, or --delta and --lam, not both.")
    if strength is None and edit.calibrate is not None:
        raise InputError("--calibrate says what --strength turns; give that too.")
    if strength is not None:
        from ..methods.strength import check_strength

        check_strength(strength)
    return {} if strength is None else {"strength": strength, "calibrate": edit.calibrate}


def sweep(strength: str | None, delta: str | None, edit: Edit) -> dict[str, Any]:
    """What ``Editor.sweep`` takes for ``--strength`` or ``--delta``. Raises :class:`InputError` for both."""
    if delta is not None:
        if strength is not None or edit.calibrate is not None:
            raise InputError("a sweep goes over --strength or --delta; give one of them.")
        return {"delta": numbers(delta, "delta")}
    if edit.lam is not None:
        raise InputError("--lam goes with --delta; --strength turns one number.")
    from ..methods.strength import strengths

    return {"strength": strengths(numbers(strength or ALL_STRENGTHS, "strength")), "calibrate": edit.calibrate}


def numbers(text: str, name: str) -> list[float]:
    """``0.9:1.3:5`` (from, to, how many) or ``0.9,1,1.3``."""
    try:
        if ":" not in text:
            return [float(value) for value in text.split(",")]
        start, stop, count = text.split(":")
        n, low, high = int(count), float(start), float(stop)
    except ValueError:
        raise InputError(f"{name} must be FROM:TO:COUNT or numbers with commas between, not {text!r}.") from None
    if not 1 <= n <= MOST_STRENGTHS:
        raise InputError(f"{name} {text!r} asks for {n} values; ask for 1 to {MOST_STRENGTHS}.")
    return [round(low + (high - low) * i / max(1, n - 1), 6) for i in range(n)]


def words(instruction: str | None, source_prompt: str | None, target_prompt: str | None) -> dict[str, str | None]:
    """What the edit is to be, for ``Editor``. Raises :class:`InputError` where it is not said."""
    if instruction is None and (source_prompt is None or target_prompt is None):
        raise InputError("say what to edit: give --source-prompt and --target-prompt, or --instruction.")
    from ..methods.frame import EditRequest

    EditRequest.of(instruction, source_prompt, target_prompt)
    return {"instruction": instruction, "source_prompt": source_prompt, "target_prompt": target_prompt}


def early_filter(text: str | None, **settings: Any):
    """An ``EarlyFilter`` of ``6x10`` (seeds x steps) and its settings; ``None`` where none is asked for."""
    settings = {name: value for name, value in settings.items() if value}
    if text is None:
        if asked := list(settings):
            raise InputError(f"--{asked[0].replace('_', '-')} is a setting of --early-filter; give that too.")
        return None
    seeds, _, steps = text.lower().partition("x")
    if not (seeds.strip().isdecimal() and steps.strip().isdecimal()):
        raise InputError(f"--early-filter must be SEEDSxSTEPS, such as 6x10, not {text!r}.")
    from ..methods.early_filter import EarlyFilter

    return EarlyFilter(seeds=int(seeds), steps=int(steps), **settings)


def size_of(image: Path) -> tuple[int, int]:
    """(width, height) of a picture: a wrong path, or place for the result, should not wait for a model to load.

    Raises :class:`InputError` for what cannot be read.
    """
    from ..backbone.image import read_image

    return read_image(image).size


def editor(edit: Edit, loading: LoadingOptions, delta: float | None, turned: bool = False):
    """An ``Editor`` for the flags that were given, GRAG's numbers, and the KEY=VALUE options; ``turned`` by strengths.

    Without a method's name it is of the one that takes what was said.
    """
    grag = (1.0 if edit.lam is None else edit.lam, 1.0 if delta is None else delta)
    flags = {"model": edit.model, "adapter": edit.adapter, **vars(loading)}
    settings = {
        "method": edit.method or ("icedit" if edit.instruction is not None else "stableflow+"),
        "grag": None if delta is None and edit.lam is None else grag,
        **{name: value for name, value in flags.items() if value is not None},
        **key_values(edit.options),
    }
    with output.loading(edit.as_json):
        from ..detail import check_detail
        from ..editor import LOADING, Editor
        from ..methods.resolve import check_selection
        from ..methods.strength import AUTO

        check_detail(edit.detail)
        if turned:  # as the editor will be asked, when its model is loaded
            own = {name: value for name, value in settings.items() if name not in {"method", "model", "grag", *LOADING}}
            measured = None if edit.calibrate == AUTO else edit.calibrate
            check_selection(settings["method"], None, {**own, "strength": 0.0, "calibrate": measured})
        return Editor(**settings)
