"""Where an adapter file is: in the package, at a path, in a folder, or in a repository on the hub."""

import re
from contextlib import suppress
from pathlib import Path

from ..embedded import ADAPTERS
from ..errors import InputError, first_line

FILE_NAME = "pytorch_lora_weights.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def locate(source: str | Path) -> Path:
    """The safetensors file meant by ``source``. Raises :class:`InputError` where there is none, or not one."""
    path = ADAPTERS.get(str(source), Path(source))
    if path.suffix in PICKLES:
        raise InputError(f"{path} may be a pickle, which can run code when it is loaded; only safetensors are read.")
    if path.is_file():
        return path
    if path.is_dir():
        names = sorted(file.name for file in path.iterdir())
        whole = [name for name in names if name.endswith(".safetensors")]
        pickles = [name for name in names if name.endswith(PICKLES)]
        if pickles and not whole:
            return locate(path / pickles[0])  # refused there
        return path / _one_of(whole, str(path), "name one of them")
    if not is_hub_id(source):
        others = ", ".join(ADAPTERS)
        raise InputError(
            f"there is no adapter at {str(source)!r}; give a safetensors file, a folder, a hub id or {others}."
        )
    return _downloaded(str(source))


def is_hub_id(source: str | Path) -> bool:
    """Whether nothing on this machine has the name, and something on the hub may."""
    path = ADAPTERS.get(str(source), Path(source))
    foreign = not path.exists() and path.suffix not in (".safetensors", *PICKLES)
    return foreign and re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", str(source)) is not None


def _one_of(names: list[str], where: str, advice: str) -> str:
    """The usual name, or the only one."""
    if FILE_NAME in names:
        return FILE_NAME
    if len(names) != 1:
        raise InputError(f"{where} has {len(names)} safetensors files; {advice}.")
    return names[0]


def _downloaded(repository: str) -> Path:
    from huggingface_hub import hf_hub_download, list_repo_files
    from huggingface_hub.errors import EntryNotFoundError

    try:
        with suppress(EntryNotFoundError):
            return Path(hf_hub_download(repository, FILE_NAME))  # once it is here, without the network
        names = [name for name in list_repo_files(repository) if name.endswith(".safetensors")]
        advice = "download the one you want and give its path"
        return Path(hf_hub_download(repository, _one_of(sorted(names), repository, advice)))
    except InputError:
        raise
    except Exception as error:  # the hub's client raises its own, its transport's and the system's
        raise InputError(f"the adapter {repository!r} cannot be downloaded ({first_line(error)}).") from None
