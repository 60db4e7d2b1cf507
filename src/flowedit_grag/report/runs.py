"""What the folder of a run says, by its files alone: the model need not be there, and the benchmark need not either."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError, first_line
from ..experiments.identity import digest

COSTS = ("nfe", "seconds")
NEEDED = ("dataset", "metrics", "methods")  # keys that make a config one of a run


@dataclass(frozen=True)
class Outcome:
    """What became of a sample in a row.

    Attributes:
        words: prompts and instruction, as far as there are any.
        picture: the edit, unless it failed.
        reason, traceback: of a failure; empty where there was none.
        numbers: by metric, and what the edit cost: ``nfe`` and ``seconds``.
        missing: by metric, why there is no number.
    """

    sample: str
    task: str
    words: Mapping[str, str]
    picture: Path
    reason: str = ""
    traceback: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run, as far as it is finished.

    Attributes:
        config: as the folder has it.
        environment: what the run began with.
        made_with: by row, all that its edits depend on besides the sample; options with the model's own and defaults.
        outcomes: by row and sample.
        remarks: sentences on what was left out.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    made_with: Mapping[str, Mapping[str, Any]]
    outcomes: Mapping[str, Mapping[str, Outcome]]
    remarks: tuple[str, ...]


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs in ``folders``, named by folder, or by the whole path where two folders are called the same.

    Raises :class:`InputError` for a folder that holds no run, holds one without a finished sample, or comes twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("a run is named twice; name each folder once.")
    names = [folder.resolve().name for folder in folders]
    unique = len(set(names)) == len(names)
    return [_run(folder, name if unique else str(folder)) for folder, name in zip(folders, names, strict=True)]


def _run(folder: Path, name: str) -> Run:
    config = _config(folder)
    outcomes, made_with, remarks = {}, {}, []
    for row in config["methods"]:
        records, damaged = _records(folder / "edits" / row)
        current = _current(records)
        made_with[row] = _way(records[-1]) if records else {}
        outcomes[row] = {one["sample"]: _outcome(folder, row, one) for one in current.values()}
        if damaged:
            first = damaged[0].relative_to(folder)
            remarks.append(f"{name}, {row}: {len(damaged)} damaged, such as {first}; the run makes them again.")
        if old := len(records) - len(current):
            remarks.append(f"{name}, {row}: {old} of an earlier model, option or sample are left out.")
    every = [one for of_row in outcomes.values() for one in of_row.values()]
    if all(one.reason for one in every):
        why = f" ({len(every)} failed, the first with {every[0].reason!r})" if every else ""
        raise InputError(f"{folder} has no finished samples yet{why}; let the run make some first.")
    environment = _object(folder / "environment.json") or {}
    return Run(name, folder, config, environment, made_with, outcomes, tuple(remarks))


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.yaml"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder} is not a run: there is no config.yaml in it.") from None
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({first_line(error)}).") from None
    if not isinstance(found, dict) or not all(found.get(key) for key in NEEDED):
        raise InputError(f"{folder} is not a run of experiments: its config.yaml does not say {', '.join(NEEDED)}.")
    return found


def _records(folder: Path) -> tuple[list[dict[str, Any]], list[Path]]:
    """The records of a row, the newest last, and the files that hold half of one."""
    whole, damaged = [], []
    for path in sorted(folder.glob("[!.]*.json")):
        record = _object(path)
        if record is None or not _complete(record, path):
            damaged.append(path)
        else:
            whole.append(record)
    return sorted(whole, key=lambda record: record.get("time", 0.0)), damaged


def _complete(record: Mapping[str, Any], path: Path) -> bool:
    if not isinstance(record.get("sample"), str) or not isinstance(record.get("determined_by"), dict):
        return False
    if path.stem != f"{record['sample']}.{record.get('key')}":
        return False
    if record.get("status") == "failed":
        return isinstance(record.get("reason"), str)
    picture = path.with_suffix(".png")
    return record.get("status") == "done" and picture.exists() and picture.stat().st_size == record.get("bytes")


def _current(records: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """By sample, the newest record, of those made the way the newest of all was: one mean is never of two models."""
    ways = [digest(_way(record)) for record in records]
    return {record["sample"]: record for record, way in zip(records, ways, strict=True) if way == ways[-1]}


def _way(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record["determined_by"].items() if key != "sample"}


def _outcome(folder: Path, row: str, record: Mapping[str, Any]) -> Outcome:
    name = f"{record['sample']}.{record['key']}"
    words = record["determined_by"].get("sample") or {}
    said = {key: str(words[key]) for key in ("instruction", "source_prompt", "target_prompt") if words.get(key)}
    about = (record["sample"], str(record.get("task") or ""), said, folder / "edits" / row / f"{name}.png")
    if record["status"] == "failed":
        return Outcome(*about, reason=record["reason"], traceback=str(record.get("traceback", "")))
    entries = dict(_entries(folder / "metrics" / row / f"{name}.json", record["key"]))
    numbers = {key: float(value) for key, value in entries.items() if not isinstance(value, str)}
    missing = {key: value for key, value in entries.items() if isinstance(value, str)}
    return Outcome(*about, numbers={**numbers, **{key: float(record[key]) for key in COSTS}}, missing=missing)


def _entries(path: Path, key: str) -> Iterator[tuple[str, float | str]]:
    """By metric, the number, or why there is none."""
    found = _object(path) or {}
    values = found.get("values") if found.get("key") == key else None
    for name, entry in (values if isinstance(values, dict) else {}).items():
        value = entry.get("value", entry.get("missing")) if isinstance(entry, dict) else None
        if isinstance(value, float | str):
            yield name, value


def _object(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; ``None`` where there is none, or half of one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
