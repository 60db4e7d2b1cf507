"""What a run of experiments is made of: a YAML file, checked key by key before anything is loaded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ..algorithms.job import generator
from ..backbone.load import locate
from ..errors import InputError, first_line, unknown
from ..metrics import Metric, metrics
from ..sections import flat
from .datasets import DATASETS, Benchmark, benchmark
from .places import Places, places
from .published import published
from .rows import Row, adapter_text, blamed, check_loading, check_mapping, optional_text, row, text
from .samples import Dataset

KEYS = ("model", "adapter", "loading", "dataset", "metrics", "methods", "seed", "out", "paper")
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
        out: folder of the run.
        paper: the published table that this reproduces, such as ``grag-1``; reports put its numbers beside ours.
        places: where in the file each key stands, for errors.
    """

    model: str
    dataset_name: str
    dataset: Benchmark
    metric_specs: tuple[Any, ...]
    rows: tuple[Row, ...]
    out: str
    seed: int = 0
    adapter: str | None = None
    paper: str | None = None
    loading: Mapping[str, Any] = field(default_factory=dict)
    places: Places = field(default=Places("the config", {}), compare=False, repr=False)

    @cached_property
    def metrics(self) -> list[Metric]:
        """The columns."""
        return metrics(self.metric_specs)

    @cached_property
    def samples(self) -> Dataset:
        """The benchmark, opened. Raises :class:`InputError` where that cannot be done."""
        with self.places.at("dataset"):
            return self.dataset.open()

    def plain(self) -> dict[str, Any]:
        """As a config that says everything."""
        return {
            "model": self.model,
            "adapter": self.adapter,
            "loading": dict(self.loading),
            "dataset": {"name": self.dataset_name, **asdict(self.dataset)},
            "metrics": list(self.metric_specs),
            "methods": {row.name: row.plain() for row in self.rows},
            "seed": self.seed,
            "out": self.out,
            "paper": self.paper,
        }


def read(path: Path, overrides: Mapping[str, Any] | None = None) -> RunConfig:
    """The run that the YAML file at ``path`` describes, with some values replaced (``{"seed": 1}``).

    Raises :class:`InputError`, naming file and line, for what cannot be used.
    """
    path, overrides = Path(path), dict(overrides or {})
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"there is no config at {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a config in YAML ({first_line(error)}).") from None
    found = places(content, path)
    typed = frozenset(tuple(key.split(".")) for key, _ in flat(overrides))
    try:
        merged = OmegaConf.merge(OmegaConf.create(content), overrides)
        values = OmegaConf.to_container(merged, resolve=True)
    except (OmegaConfBaseException, YAMLError, ValueError, TypeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or first_line(error)
        raise InputError(f"{path}{f', line {mark.line + 1},' if mark else ''} cannot be read ({reason}).") from None
    if open_keys := sorted(OmegaConf.missing_keys(merged)):
        raise InputError(f"{path} leaves {open_keys[0]} open (???); say it there, or as {open_keys[0]}=VALUE.")
    return parse(values, Places(found.file, found.lines, typed))


def parse(values: Any, places: Places) -> RunConfig:
    """The run that a mapping describes; ``places`` says where its keys stand."""
    for key in values:
        with places.at(str(key)):
            if key not in KEYS:
                raise unknown("key", key, KEYS)
    for key in NEEDED:
        if values.get(key) is None:
            raise InputError(f"{places.file} does not say {key!r}.")
    with places.at("model"):
        model = text("model", values["model"])
        locate(model)
    with places.at("adapter"):
        adapter = adapter_text(values.get("adapter"))
    with places.at("seed"):
        generator(seed := values.get("seed", 0))
    with places.at("out"):
        out = text("out", values["out"])
    with places.at("paper"):
        if (paper := optional_text("paper", values.get("paper"))) is not None:
            published(paper)
    loading = {} if values.get("loading") is None else values["loading"]
    check_loading(loading, places)
    name, dataset = _dataset(values["dataset"], places)
    return RunConfig(
        model=model, adapter=adapter, loading=loading, dataset_name=name, dataset=dataset, seed=seed, out=out,
        metric_specs=_metrics(values["metrics"], places), rows=_rows(values["methods"], model, adapter, places),
        paper=paper, places=places,
    )  # fmt: skip


def _dataset(values: Any, places: Places) -> tuple[str, Benchmark]:
    with places.at("dataset"):
        check_mapping(values, "dataset")
        options = dict(values)
        name = text("the dataset's name", options.pop("name", None))
    with places.at("dataset", "name"):
        DATASETS[name]  # a name that leads nowhere is said here
    return name, blamed(lambda **given: benchmark(name, **given), options, places, ("dataset",))


def _metrics(specs: Any, places: Places) -> tuple[Any, ...]:
    with places.at("metrics"):
        if not isinstance(specs, list) or not specs:
            raise InputError(f"metrics must be a list of names, not {specs!r}.")
    for index, spec in enumerate(specs):
        with places.at("metrics", str(index)):
            if not isinstance(spec, str):
                check_mapping(spec, "a metric that is not just a name")
            metrics([spec])
    with places.at("metrics"):
        metrics(specs)
    return tuple(specs)


def _rows(values: Any, model: str, adapter: str | None, places: Places) -> tuple[Row, ...]:
    with places.at("methods"):
        if not isinstance(values, Mapping) or not values:
            raise InputError("methods must name at least one row, as in 'flowedit: {method: flowedit}'.")
    rows = tuple(row(name, of, model, adapter, places) for name, of in values.items())
    folders: dict[str, str] = {}
    for one in rows:
        with places.at("methods", one.name):
            if (same := folders.setdefault(one.name.casefold(), one.name)) != one.name:
                raise InputError(f"the rows {same!r} and {one.name!r} would share a folder on some systems.")
    return rows
