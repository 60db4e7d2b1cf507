"""A row of a table: one method with its options, strength, model and adapter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from ..backbone.device_placement import Offload
from ..backbone.load import check_attention_backend, check_budget, check_scale, locate
from ..backbone.lora import weighted
from ..backbone.quantization import check_quantization
from ..backbone.single_file import check_single_file, is_gguf
from ..config_lines import ConfigLines
from ..errors import InputError, unknown
from ..guidance.grag import GRAG
from ..lora_moe.locate import is_hub_id
from ..lora_moe.locate import locate as locate_adapter
from ..methods import METHODS
from ..methods.early_filter import EarlyFilter
from ..methods.resolve import check_selection
from ..options import check_options
from .samples import check_id

OWN = ("method", "grag", "model", "adapter", "early_filter")  # keys of a row; every other is an option of the method
FILTER = tuple(f.name for f in fields(EarlyFilter) if f.init and f.name != "keep_record")


@dataclass(frozen=True, kw_only=True)
class RowConfig:
    """What is edited with. ``model`` and ``adapter`` are the run's where the row has none of its own."""

    name: str
    method: str
    model: str
    adapter: str | None = None
    grag: GRAG | None = None
    early_filter: EarlyFilter | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def network(self) -> tuple[str, str | None]:
        """Rows of one network share what is loaded."""
        return self.model, self.adapter

    def plain(self) -> dict[str, Any]:
        """As a config has it."""
        grag = None if self.grag is None else {"lam": self.grag.lam, "delta": self.grag.delta}
        own = {"method": self.method, "grag": grag, "model": self.model, "adapter": self.adapter}
        early = None if self.early_filter is None else filter_settings(self.early_filter)
        return {**own, "early_filter": early, **self.options}


def filter_settings(early: EarlyFilter) -> dict[str, Any]:
    """An early filter as a config has it."""
    return {name: getattr(early, name) for name in FILTER}


def row(name: Any, values: Any, model: str, adapter: str | None, lines: ConfigLines) -> RowConfig:
    """The row that a mapping describes. Raises :class:`InputError`, naming the line, for what cannot be used."""
    keys = ("methods", str(name))
    with lines.at(*keys):
        if not isinstance(name, str):
            raise InputError(f"the name of a row must be text, not {name!r}.")
        check_id(name, "methods")  # results are stored under it
        check_mapping(values, f"row {name!r}")
        if not isinstance(values.get("method"), str):
            raise InputError(f"row {name!r} does not say which method it is of, as in 'method: flowedit'.")
    with lines.at(*keys, "grag"):
        strength = None if values.get("grag") is None else GRAG.of(values["grag"])
    with lines.at(*keys, "model"):
        model = text("model", values.get("model", model))
        locate(model)
    with lines.at(*keys, "adapter"):
        adapter = adapter_text(values.get("adapter", adapter))
    early = values.get("early_filter")
    early_filter = None if early is None else blamed(_early_filter, early, lines, (*keys, "early_filter"))
    options = {key: value for key, value in values.items() if key not in OWN}
    with lines.at(*keys, "method"):
        METHODS[values["method"]]  # a name that leads nowhere is said here
    blamed(lambda **given: check_selection(values["method"], None, given), options, lines, keys)
    with lines.at(*keys, "grag"):
        check_selection(values["method"], strength, options)
    return RowConfig(
        name=name, method=values["method"], model=model, adapter=adapter, grag=strength, early_filter=early_filter,
        options=options,
    )  # fmt: skip


def _early_filter(**options: Any) -> EarlyFilter:
    for name in options:
        if name not in FILTER:
            raise unknown("key of early_filter", name, FILTER)
    return EarlyFilter(**options)


def blamed(make: Callable[..., Any], options: Mapping[str, Any], lines: ConfigLines, keys: tuple[str, ...]) -> Any:
    """``make(**options)`` of the mapping at ``keys``. What it refuses is said of the option that it refuses when it is
    alone, or else of all."""
    with lines.at(*keys):
        check_mapping(options, keys[-1])
    try:
        return make(**options)
    except InputError as error:
        said = str(error)
    alone = [] if _refusal(make, {}) == said else list(options)
    culprit = [name for name in alone if _refusal(make, {name: options[name]}) == said][:1]
    raise InputError(f"{lines.of(*keys, *culprit)}: {said}")


def _refusal(make: Callable[..., Any], options: Mapping[str, Any]) -> str | None:
    try:
        make(**options)
    except InputError as error:
        return str(error)
    return None


def check_mapping(values: Any, where: str) -> None:
    """Raise :class:`InputError` unless ``values`` maps names."""
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{where} must be made of 'key: value' lines, not {values!r}.")


@dataclass(frozen=True, kw_only=True)
class Loading:
    """What :func:`load` takes, but for the adapter, which is a key of its own, and the revision, which the run pins."""

    dtype: Literal["float32", "fp32", "bfloat16", "bf16", "float16", "fp16"] | None = None
    device: str | None = None
    offload: Offload | None = None
    quantization: Any = None
    transformer: Any = None
    lora: Any = None
    adapter_scale: Any = None
    attention_backend: str | None = None
    compile: bool | None = None
    memory_budget: Any = None

    def __post_init__(self) -> None:
        check_options(self)
        for source, _ in weighted(self.lora):
            adapter_text(source)
        check_budget(self.memory_budget)
        file = None if self.transformer is None else check_single_file(self.transformer)
        check_quantization(self.quantization, is_gguf(file))
        if self.adapter_scale is not None:
            check_scale(self.adapter_scale)
        if self.attention_backend is not None:
            check_attention_backend(self.attention_backend)


def adapter_text(value: Any) -> str | None:
    """An adapter's name, which must lead somewhere unless it is the hub's: that is asked when the run is planned."""
    adapter = optional_text("adapter", value)
    if adapter is not None and not is_hub_id(adapter):
        locate_adapter(adapter)
    return adapter


def text(name: str, value: Any) -> str:
    """``value``, which must be text that is not empty."""
    if not isinstance(value, str) or not value:
        raise InputError(f"{name} must be text, not {value!r}.")
    return value


def optional_text(name: str, value: Any) -> str | None:
    """``value``, which must be text or nothing."""
    return None if value is None else text(name, value)
