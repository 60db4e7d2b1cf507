"""Mixtures of LoRA experts (ICEdit, arXiv:2504.20690, §3.2), on peft."""

from .config import LoraMoeConfig
from .files import Adapter, load_adapter, read_adapter, read_lora, save_adapter
from .merge import merge_plain
from .usage import recorded_usage

__all__ = [
    "Adapter", "LoraMoeConfig", "load_adapter", "merge_plain", "read_adapter", "read_lora", "recorded_usage",
    "save_adapter",
]  # fmt: skip
