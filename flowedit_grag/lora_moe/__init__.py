"""Mixtures of LoRA experts (ICEdit, arXiv:2504.20690, §3.2), on peft."""

from .config import LoraMoeConfig
from .files import Adapter, load_adapter, read_adapter, save_adapter
from .merge import merge_plain
from .usage import Usage, recorded_usage

__all__ = [
    "Adapter", "LoraMoeConfig", "Usage",
    "load_adapter", "merge_plain", "read_adapter", "recorded_usage", "save_adapter",
]  # fmt: skip
