"""Edit real images with pre-trained rectified-flow transformers, at any strength, without training them."""

from importlib import import_module

__version__ = "0.1.0"

_EXPORTS = {  # name -> module; imported when first used, so that ``--help`` does not wait for torch
    "Condition": "backbone.flow",
    "EarlyFilter": "methods.early_filter",
    "Editor": "editor",
    "Flow": "backbone.flow",
    "GRAG": "guidance.grag",
    "Cancelled": "errors",
    "InputError": "errors",
    "Result": "editor",
    "list_methods": "methods",
    "load": "backbone.load",
    "method": "methods",
    "read_settings": "image_metadata",
    "redo": "reproduce",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str):
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *_EXPORTS])
