"""Models and adapters that ship with the package, by name."""

from pathlib import Path

_LAB = Path(__file__).parent / "lab"

MODELS = {"lab": _LAB / "weights", "lab-fill": _LAB / "weights_fill"}
ADAPTERS = {name: _LAB / "adapters" / f"{name}.safetensors" for name in ("lab-lora", "lab-moe")}
ENCODERS = {"lab-clip": _LAB / "weights_clip"}  # of pictures and texts, for judges and metrics
