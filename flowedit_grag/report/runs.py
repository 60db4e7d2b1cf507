"""What the folder of a run says, by its files alone: neither the model nor the benchmark need be there."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError, first_line
from ..experiments.manifest import NAME, Manifest, ManifestEntry
from ..experiments.store import ItemFiles, current, made_on, read_record, read_scores, undecided
from ..files import read_object

COSTS = ("nfe", "seconds")
EARLIER = "cells.json"  # what earlier versions called the manifest
RIGHT_OF = ("lab_success", "lab_kept")  # an edit is right where both are 1
# the edit that was asked for, and what should stay: of each the metrics that say so, the best known first
SUCCESS = ("lab_success", "editscore_pf", "viescore_sc", "clip_t_inside", "pie_published_clip_edited", "clip_t")
PRESERVATION = (
    "lab_kept", "editscore_cons", "psnr_outside", "ssim_outside", "lpips_outside", "pie_published_psnr",
    "pie_published_ssim", "pie_published_lpips", "clip_i", "dino",
)  # fmt: skip
NEEDED = ("dataset", "metrics", "methods")  # keys that make a config one of a run


@dataclass(frozen=True)
class Outcome:
    """What became of a sample in a row.

    Attributes:
        words: prompts and instruction, as far as there are any.
        source: a hash of the picture that was edited; empty where that is the result of another edit.
        picture: the edit, unless it failed.
        reason, traceback: of a failure; empty where there was none.
        numbers: by metric, and what the edit cost: ``nfe`` and ``seconds``.
        missing: by metric, why there is no number.
        undecided: why the judge of an early filter decided nothing, for each comparison in which it did not.
        made_on: versions and device.
    """

    sample: str
    task: str
    words: Mapping[str, str]
    source: str
    picture: Path
    reason: str = ""
    traceback: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    undecided: Sequence[str] = ()
    made_on: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run, as far as it is finished.

    Attributes:
        config: as the folder has it.
        environment: what the run began with.
        manifest: what it is made of.
        outcomes: by row and sample, as far as they are there.
        remarks: sentences on what was left out.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    manifest: Manifest
    outcomes: Mapping[str, Mapping[str, Outcome]]
    remarks: tuple[str, ...]

    @cached_property
    def sources(self) -> dict[str, str]:
        """By sample, a hash of the picture that was edited, where it is the benchmark's own."""
        return {id: one.source for of_row in self.outcomes.values() for id, one in of_row.items() if one.source}


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
    config, manifest = _config(folder), Manifest.read(folder)
    if manifest is None and (folder / EARLIER).exists():
        raise InputError(f"{folder} is of an earlier version; run its config once more.")
    if manifest is None or not manifest.made_with.keys() <= config["methods"].keys():
        raise InputError(
            f"{folder} has no {NAME}, a damaged one, or one of an earlier version; run its config once more."
        )
    outcomes: dict[str, dict[str, Outcome]] = {row: {} for row in manifest.made_with}
    damaged: dict[str, list[Path]] = {row: [] for row in outcomes}
    for item in manifest.items:
        files = ItemFiles(folder, item.row, item.sample, item.key)
        if (record := read_record(files)) is not None:
            outcomes[item.row][item.sample] = _outcome(files, item, record, manifest.metrics)
        elif files.record.exists():
            damaged[item.row].append(files.record)
    every = [one for of_row in outcomes.values() for one in of_row.values()]
    if all(one.reason for one in every):
        why = f" ({len(every)} failed, the first with {every[0].reason!r})" if every else ""
        raise InputError(f"{folder} has no finished samples yet{why}; let the run make some first.")
    remarks = [
        f"{name}, {row}: {len(paths)} damaged, such as {paths[0].relative_to(folder)}; the run makes them again."
        for row, paths in damaged.items() if paths
    ]  # fmt: skip
    environment = read_object(folder / "environment.json")
    remarks += [*_made_on(name, every), *_remarks(folder, name, manifest)]
    return Run(name, folder, config, environment, manifest, outcomes, tuple(remarks))


def _made_on(name: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Versions and devices of which a run has more than one, as when it went on after an upgrade."""
    facts = dict.fromkeys(key for one in outcomes for key in one.made_on)
    for fact in facts:
        found = Counter(one.made_on[fact] for one in outcomes if fact in one.made_on)
        if len(found) > 1:
            shares = ", ".join(f"{count} with {said}" for said, count in sorted(found.items()))
            yield f"{name}: edits were not all made with the same {fact}: {shares}."


def _remarks(folder: Path, name: str, manifest: Manifest) -> Iterator[str]:
    """What the numbers do not say: shares of costs, and what the folder holds besides the items of the run."""
    if manifest.limit is not None:
        yield f"{name} was limited to the first {manifest.limit} samples of the benchmark."
    if shared := [row for row, way in manifest.made_with.items() if "group" in way]:
        yield f"{name}: NFE and seconds of {', '.join(shared)} are shares of what rows made together cost."
    for reason, count in manifest.left_out.items():
        yield f"{name}: {count} of the benchmark left out ({reason})."
    ours = {ItemFiles(folder, item.row, item.sample, item.key).record for item in manifest.items}
    for row in manifest.made_with:
        if old := sum(path not in ours for path in (folder / "edits" / row).glob("[!.]*.json")):
            yield f"{name}, {row}: {old} of an earlier model, option or sample, or beyond a limit, are left out."


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
    methods, benchmark = found["methods"], found["dataset"]
    if not (isinstance(methods, dict) and isinstance(benchmark, dict) and "name" in benchmark):
        raise InputError(f"{path} is damaged; the run's own config, run once more, writes it again.")
    return found


def _outcome(files: ItemFiles, item: ManifestEntry, record: Mapping[str, Any], metrics: Mapping[str, str]) -> Outcome:
    words = record["key_inputs"].get("sample") or {}
    said = {key: str(words[key]) for key in ("instruction", "source_prompt", "target_prompt") if words.get(key)}
    source = "" if item.previous else str(words.get("image") or "")
    about = (item.sample, item.task, said, source, files.image)
    if record["status"] == "failed":
        return Outcome(*about, reason=record["reason"], traceback=str(record.get("traceback", "")))
    scores = current(read_scores(files, item.truth), metrics)
    numbers = {name: float(entry["value"]) for name, entry in scores.items() if "value" in entry}
    missing = {name: entry["missing"] for name, entry in scores.items() if "missing" in entry}
    numbers |= {key: float(record[key]) for key in COSTS}
    if all(name in numbers for name in RIGHT_OF):
        numbers["right"] = min(numbers[name] for name in RIGHT_OF)
    elif why := [missing[name] for name in RIGHT_OF if name in missing]:
        missing["right"] = why[0]
    return Outcome(*about, "", "", numbers, missing, undecided(record), made_on(record))
