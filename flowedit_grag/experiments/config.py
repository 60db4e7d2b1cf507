"""What a run of experiments is made of: a YAML file, checked key by key before anything is loaded."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ..backbone.load import locate
from ..config_lines import ConfigLines, Keys, check_values, config_lines, merged
from ..configs_by_name import find_config
from ..errors import InputError, first_line, unknown
from ..hidden import HiddenText, shown
from ..interpolation import resolved
from ..metrics import Metric, metrics
from ..options import make
from ..seeds import generator
from .datasets import DATASETS, Benchmark, benchmark
from .published import published
from .rows import Loading, RowConfig, adapter_text, blamed, check_mapping, optional_text, row, text
from .samples import Dataset

KEYS = ("model", "adapter", "loading", "dataset", "metrics", "methods", "seed", "batch_rows", "out", "paper")
NEEDED = ("model", "dataset", "metrics", "methods", "out")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Methods on a benchmark, measured.

    Attributes:
        model: a name, a folder in diffusers format or a hub id.
        adapter: a LoRA or LoRA-MoE, as ``Editor`` takes it.
        loading: what ``load`` takes (``dtype``, ``device``, ``offload``, ...).
        dataset_name, dataset: ``name`` in the section ``dataset``, and the benchmark with the options there.
        metric_specs: the list ``metrics``: names, groups, or mappings of a ``name`` and options.
        rows: the section ``methods``: name of the row -> ``method``, ``grag``, the method's options, and ``model`` or
            ``adapter`` where they are not the run's.
        seed: the noise of a sample depends on this and on the sample's id.
        batch_rows: rows that differ only in their strength are computed together on each sample, with one inversion, as
            many as this at a time; 1 computes each alone.
        out: folder of the run.
        paper: the published table that this reproduces, such as ``grag-1``; reports put its numbers beside ours.
        lines: where in the file each key stands, for errors.
    """

    model: str
    dataset_name: str
    dataset: Benchmark
    metric_specs: tuple[Any, ...]
    rows: tuple[RowConfig, ...]
    out: str
    seed: int = 0
    batch_rows: int = 8
    adapter: str | None = None
    paper: str | None = None
    loading: Mapping[str, Any] = field(default_factory=dict)
    lines: ConfigLines = field(default=ConfigLines("the config", {}), compare=False, repr=False)

    @cached_property
    def metrics(self) -> list[Metric]:
        """The columns."""
        return metrics(self.metric_specs)

    @cached_property
    def samples(self) -> Dataset:
        """The benchmark, opened. Raises :class:`InputError` where that cannot be done."""
        with self.lines.at("dataset"):
            return self.dataset.open()

    def plain(self) -> dict[str, Any]:
        """As a config that says everything, but for what is hidden."""
        says = {
            "model": self.model,
            "adapter": self.adapter,
            "loading": dict(self.loading),
            "dataset": {"name": self.dataset_name, **asdict(self.dataset)},
            "metrics": list(self.metric_specs),
            "methods": {row.name: row.plain() for row in self.rows},
            "seed": self.seed,
            "batch_rows": self.batch_rows,
            "out": self.out,
            "paper": self.paper,
        }
        return shown(says)


def read(path: str | Path, overrides: Mapping[str, Any] | None = None, allow_env: bool = False) -> RunConfig:
    """The run that the YAML file at ``path`` describes (or the package's config of that name, such as ``lab/table1``),
    with some values replaced (``{"seed": 1}``). Variables of the environment are looked up if ``allow_env``.

    Raises :class:`InputError`, naming file and line, for what cannot be used.
    """
    path, overrides = find_config(path), dict(overrides or {})
    content, found = config_lines(path)
    changed = _paths(overrides)
    typed = frozenset(keys for keys, value in changed if not isinstance(value, Mapping) or keys not in found.lines)
    lines = ConfigLines(found.file, found.lines, typed)
    try:
        config = merged(OmegaConf.create(content), overrides, path)
        values = resolved(config, lines.at, allow_env)
    except InputError:
        raise
    except Exception as error:  # OmegaConf lets those of its own parser and of Python through
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or first_line(error)
        raise InputError(f"{path}{f', line {mark.line + 1},' if mark else ''} cannot be read ({reason}).") from None
    if open_keys := sorted(OmegaConf.missing_keys(config)):
        raise InputError(f"{path} leaves {open_keys[0]} open (???); say it there, or as {open_keys[0]}=VALUE.")
    check_values(values, lines)
    return parse(values, lines)


def _paths(values: Mapping[str, Any], above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every value in ``values`` with the keys that lead there."""
    for key, value in values.items():
        yield (keys := (*above, str(key))), value
        if isinstance(value, Mapping):
            yield from _paths(value, keys)


def parse(values: Any, lines: ConfigLines) -> RunConfig:
    """The run that a mapping describes; ``lines`` says where its keys stand."""
    for key in values:
        with lines.at(str(key)):
            if key not in KEYS:
                raise unknown("key", key, KEYS)
    for key in NEEDED:
        if values.get(key) is None:
            raise InputError(f"{lines.of(key)} does not say {key!r}.")
    with lines.at("model"):
        model = text("model", values["model"])
        locate(model)
    with lines.at("adapter"):
        adapter = adapter_text(values.get("adapter"))
    with lines.at("seed"):
        generator(seed := values.get("seed", 0))
    with lines.at("batch_rows"):
        batch_rows = values.get("batch_rows", RunConfig.batch_rows)
        if type(batch_rows) is not int or batch_rows < 1:
            raise InputError(f"batch_rows must be a whole number from 1 on, not {batch_rows!r}.")
    with lines.at("out"):
        out = text("out", values["out"])
        if isinstance(out, HiddenText):
            raise InputError("out names the run's folder, for all to see; write it without the environment.")
        if Path(out).name in ("", ".."):
            raise InputError(f"the last part of out names the run, and {out!r} has no name; as in {out}/my_run.")
    with lines.at("paper"):
        if (paper := optional_text("paper", values.get("paper"))) is not None:
            published(paper)
    loading = {} if values.get("loading") is None else values["loading"]
    blamed(lambda **given: make(Loading, given, "loading"), loading, lines, ("loading",))
    name, dataset = _dataset(values["dataset"], lines)
    return RunConfig(
        model=model, adapter=adapter, loading=loading, dataset_name=name, dataset=dataset, seed=seed, out=out,
        metric_specs=_metrics(values["metrics"], lines), rows=_rows(values["methods"], model, adapter, lines),
        batch_rows=batch_rows, paper=paper, lines=lines,
    )  # fmt: skip


def _dataset(values: Any, lines: ConfigLines) -> tuple[str, Benchmark]:
    with lines.at("dataset"):
        check_mapping(values, "dataset")
        options = dict(values)
        name = text("the dataset's name", options.pop("name", None))
    with lines.at("dataset", "name"):
        DATASETS[name]  # a name that leads nowhere is said here
    return name, blamed(lambda **given: benchmark(name, **given), options, lines, ("dataset",))


def _metrics(specs: Any, lines: ConfigLines) -> tuple[Any, ...]:
    with lines.at("metrics"):
        if not isinstance(specs, list) or not specs:
            raise InputError(f"metrics must be a list of names, not {specs!r}.")
    for index, spec in enumerate(specs):
        with lines.at("metrics", str(index)):
            if not isinstance(spec, str):
                check_mapping(spec, "a metric that is not just a name")
            metrics([spec])
    with lines.at("metrics"):
        metrics(specs)
    return tuple(specs)


def _rows(values: Any, model: str, adapter: str | None, lines: ConfigLines) -> tuple[RowConfig, ...]:
    with lines.at("methods"):
        if not isinstance(values, Mapping) or not values:
            raise InputError("methods must name at least one row, as in 'flowedit: {method: flowedit}'.")
    rows = tuple(row(name, of, model, adapter, lines) for name, of in values.items())
    folders: dict[str, str] = {}
    for one in rows:
        with lines.at("methods", one.name):
            if (same := folders.setdefault(one.name.casefold(), one.name)) != one.name:
                raise InputError(f"the rows {same!r} and {one.name!r} would share a folder on some systems.")
    return rows
