"""Where an adapter file is: in the package, at a path, in a folder, or in a repository on the hub."""

import os
import re
from contextlib import suppress
from pathlib import Path

from ..embedded import ADAPTERS
from ..errors import InputError, first_line

FILE_NAME = "pytorch_lora_weights.safetensors"
OURS = ", ".join(ADAPTERS)
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def locate(source: str | Path) -> Path:
    """The safetensors file meant by ``source``. Raises :class:`InputError` where there is none, or not one."""
    if not isinstance(source, str | Path) or not str(source).strip():
        raise InputError(f"an adapter is a safetensors file, a folder, a hub id or {OURS}, not {source!r}.")
    path = ADAPTERS.get(str(source), Path(source))
    if path.suffix in PICKLES:
        raise _pickle(path)
    if os.path.isfile(path):  # unlike Path.is_file, also false for names that are too long
        return path
    if os.path.isdir(path):
        return path / _one_of([file.name for file in path.iterdir()], str(path), "name one of them")
    if not is_hub_id(source):
        raise InputError(f"there is no adapter at {str(source)!r}; give a file, a folder, a hub id or {OURS}.")
    return _downloaded(str(source))


def is_hub_id(source: str | Path) -> bool:
    """Whether nothing on this machine has the name, and something on the hub may."""
    path = ADAPTERS.get(str(source), Path(source))
    foreign = not os.path.exists(path) and path.suffix not in (".safetensors", *PICKLES)
    return foreign and re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", str(source)) is not None


def _one_of(names: list[str], where: str, advice: str) -> str:
    """Of all files in a place the usual adapter, or the only one."""
    if FILE_NAME in names:
        return FILE_NAME
    found = sorted(name for name in names if name.endswith(".safetensors"))
    pickles = sorted(name for name in names if name.endswith(PICKLES))
    if pickles and not found:
        raise _pickle(f"{where}/{pickles[0]}")
    if not found:
        raise InputError(f"there is no adapter in {where}: no safetensors file is there.")
    if len(found) > 1:
        raise InputError(f"{where} has {len(found)} safetensors files; {advice}.")
    return found[0]


def _pickle(path: str | Path) -> InputError:
    return InputError(f"{path} may be a pickle, which can run code when it is loaded; only safetensors are read.")


def _downloaded(repository: str) -> Path:
    from huggingface_hub import hf_hub_download, list_repo_files
    from huggingface_hub.errors import EntryNotFoundError

    try:
        with suppress(EntryNotFoundError):
            return Path(hf_hub_download(repository, FILE_NAME))  # once it is here, without the network
        advice = "download the one you want and give its path"
        return Path(hf_hub_download(repository, _one_of(list_repo_files(repository), repository, advice)))
    except InputError:
        raise
    except Exception as error:  # the hub's client raises its own, its transport's and the system's
        raise InputError(f"the adapter {repository!r} cannot be downloaded ({first_line(error)}).") from None
