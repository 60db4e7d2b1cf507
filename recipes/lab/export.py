"""The averaged weights as diffusers pipelines, in half precision where that is safe, with the models' profiles: vital
layers, and the settings that suit each method. And the adapters, as ``flowedit-grag train`` left them, in half
precision."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, FluxFillPipeline, FluxPipeline
from safetensors import safe_open
from safetensors.torch import save

from flowedit_grag.analysis import carry, vital_layers
from flowedit_grag.backbone.known_models import FILE_NAME
from flowedit_grag.backbone.load import load
from flowedit_grag.embedded import ADAPTERS, MODELS
from flowedit_grag.errors import InputError
from flowedit_grag.files import written
from flowedit_grag.lab.captions import caption
from flowedit_grag.lab.scene import sample_scene
from flowedit_grag.lab.tasks import TASKS, sample_edit
from flowedit_grag.lab.world import IMAGE_SIZE
from flowedit_grag.lora_moe.locate import FILE_NAME as ADAPTER_NAME
from flowedit_grag.methods import METHODS
from flowedit_grag.methods.strength import Calibration
from flowedit_grag.options import option_names
from flowedit_grag.report.runs import Outcome, read_runs

from . import flux, model
from .fill import widened
from .latents import SCALE
from .loop import restore
from .vae import trained

WEIGHTS, FILL_WEIGHTS = MODELS["lab"], MODELS["lab-fill"]
ABOUT = (
    "this picture does not look like a scene of the lab, which is all that the model '{name}' can edit; "
    "for photos choose {other} with --model black-forest-labs/{other}{more} (Editor(model=...) in Python)."
)
ROUNDTRIP_PSNR = 24.0  # dB; scenes reach 27 and more, photos about 20
SETTINGS: dict[str, dict] = {  # stage ``settings`` adds what it chooses
    "stableflow": {"steps": 20},
    "stableflow+": {"steps": 20},
    "icedit-t2i": {"width": IMAGE_SIZE},
    "early_filter": {"judge": "lab"},
}
FILL_SETTINGS: dict[str, dict] = {
    "icedit": {"guidance": 1.0, "width": IMAGE_SIZE},  # the guidance embedding is not distilled
    "early_filter": {"judge": "lab"},
}
SHARING = ("stableflow", "stableflow+", "flowedit")  # methods with vital layers
PROMPTS = 16
SETTINGS_RUN = "lab_settings"  # out: of configs/lab/settings.yaml, within ``folder``
CHECKPOINTS = {"vae_whole": ("vae",), "flux": ("transformer", "text_encoder", "text_encoder_2")}
RUNS = {"lab-lora": "lab_lora", "lab-moe": "lab_lora_moe"}  # out: of configs/lab/train_*.yaml, within ``folder``


def train(folder: Path, steps: int, device: str = "cpu", weights: Path = WEIGHTS) -> None:
    """Write the pipeline; stage ``carry`` adds the vital layers."""
    parts = _shared(folder)
    restore(folder, "distil", transformer=parts["transformer"])
    about = ABOUT.format(name="lab", other="FLUX.1-dev", more="")
    _write(weights, FluxPipeline(**parts), SETTINGS, about, pairs=pairs())


def train_fill(folder: Path, steps: int, device: str = "cpu", weights: Path = FILL_WEIGHTS) -> None:
    """Write the Fill pipeline: stage ``fill``'s transformer and its decoder, all else as it is in the lab model."""
    parts = _shared(folder)
    parts["transformer"] = widened(parts["transformer"])
    restore(folder, "fill", transformer=parts["transformer"])
    restore(folder, "fill_decoder", decoder=parts["vae"].decoder)
    about = ABOUT.format(name="lab-fill", other="FLUX.1-Fill-dev", more=" and an --adapter")
    _write(weights, FluxFillPipeline(**parts), FILL_SETTINGS, about)


def _shared(folder: Path) -> dict:
    """The pipeline's parts with trained text encoders and autoencoder."""
    parts = flux.trained(folder, "cpu")
    parts["vae"] = trained(folder)
    parts["vae"].register_to_config(**json.loads((folder / SCALE).read_text()))
    return parts


def _write(weights: Path, pipeline, settings: dict[str, dict], about: str, **more: Any) -> None:
    """The pipeline, and what the package should know of a lab model."""
    for part in (pipeline.transformer, pipeline.vae):  # transformers would load text encoders in half precision too
        part.to(torch.float16)
    pipeline.save_pretrained(weights)
    rng = np.random.default_rng(2_000_003)
    prompts = [caption(sample_scene(rng, items=1 + index % 2)) for index in range(PROMPTS)]
    facts = {
        "pixels": IMAGE_SIZE**2, "words": model.vocabulary(), "prompts": prompts, **more,
        "roundtrip_psnr": ROUNDTRIP_PSNR, "about": about, "settings": settings,
    }  # fmt: skip
    (weights / FILE_NAME).write_text(json.dumps(facts, indent=2) + "\n")
    print(sum(file.stat().st_size for file in weights.rglob("*") if file.is_file()) / 2**20, "MB", flush=True)


def pairs() -> list[tuple[str, str]]:
    """Prompts and what pictures of them are edited into, task by task, of a random stream of their own."""
    rng = np.random.default_rng(2_000_004)
    edits = [sample_edit(rng, task) for _ in range(PROMPTS // len(TASKS)) for task in TASKS]
    return [(edit.source_prompt, edit.target_prompt) for edit in edits]


def train_vital(folder: Path, steps: int, device: str = "cpu") -> None:
    """Detect the layers whose bypassing changes pictures most, with ``steps`` sampling steps on the exported weights;
    numbers and chart go to ``folder``. The profile has those of stage ``carry``."""
    found = vital_layers.detect(load("lab", device=device), prompts=PROMPTS, steps=steps)
    vital_layers.write(found, folder / "vital.json")


def train_carry(folder: Path, steps: int, device: str = "cpu") -> None:
    """Detect the layers that carry the source, with ``steps`` sampling steps on the exported weights, for the profile;
    numbers and chart go to ``folder``."""
    found = carry.detect(load("lab", device=device), steps=steps)
    carry.write(found, folder / "carry.json")
    settings = json.loads((WEIGHTS / FILE_NAME).read_text())["settings"]
    shared = {name: {**settings.get(name, {}), "vital_layers": found.vital_layers} for name in SHARING}
    _change(WEIGHTS, {"vital_layers": found.vital_layers, "settings": {**settings, **shared}})


def train_settings(folder: Path, steps: int, device: str = "cpu", weights: Path = WEIGHTS) -> None:
    """Take the options of the :func:`best` row of each method in the run of ``configs/lab/settings.yaml``, which is in
    ``folder``. Raises :class:`InputError` unless it is finished."""
    settings, path = json.loads((weights / FILE_NAME).read_text())["settings"], folder / SETTINGS_RUN
    (run,) = read_runs([path])
    rows: dict[str, list[str]] = {}
    for row, config in run.config["methods"].items():
        rows.setdefault(config["method"], []).append(row)
    if len(run.manifest.items) != sum(not one.reason for of_row in run.outcomes.values() for one in of_row.values()):
        raise InputError(f"{path} is not finished, or some of it failed; run its config to the end first.")
    for method, own in rows.items():
        config = run.config["methods"][own[best([[*run.outcomes[row].values()] for row in own])]]
        options = {name: config[name] for name in option_names(METHODS[method]) if config.get(name) is not None}
        settings[method] = {**settings.get(method, {}), **options}
    _change(weights, {"settings": settings})


def train_strengths(folder: Path, steps: int, device: str = "cpu", weights: Path = WEIGHTS) -> None:
    """Take what ``flowedit-grag calibrate --method METHOD -o FOLDER/strength-METHOD.json`` found on the lab model."""
    found = [Calibration.of(path) for path in sorted(folder.glob("strength-*.json"))]
    own = {one.method: {"option": one.option, "values": one.values} for one in found if one.model == "lab"}
    _change(weights, {"strengths": own})


def best(found: Sequence[Sequence[Outcome]]) -> int:
    """Of several settings' edits of the same problems: the setting with the highest PSNR outside the mask among those
    that make about as many edits right (asked attribute reached, all others kept) as the one that makes most, within
    its standard error."""
    numbers = [[one.numbers for one in own] for own in found]
    right = np.array([np.mean([of["lab_success"] and of["lab_kept"] for of in own]) for own in numbers])
    outside = np.array([np.mean([of["psnr_outside"] for of in own]) for own in numbers])
    most = right.max()
    error = np.sqrt(most * (1 - most) / len(found[0]))
    return int(np.argmax(np.where(right >= most - error, outside, -np.inf)))


def _change(weights: Path, values: dict[str, Any]) -> None:
    """Put ``values`` into the profile beside ``weights``."""
    path = weights / FILE_NAME
    with written(path) as partial:
        partial.write_text(json.dumps({**json.loads(path.read_text()), **values}, indent=2) + "\n")
    print(values, flush=True)


def train_adapters(folder: Path, steps: int, device: str = "cpu") -> None:
    """``folder`` is the one that the runs of ``configs/lab/train_lora*.yaml`` are in."""
    for name, run in RUNS.items():
        source = folder / run / ADAPTER_NAME
        if not source.is_file():
            raise InputError(f"there is no {source}; train it with configs/lab/, and give --folder runs.")
        halve(source, ADAPTERS[name])
        print(name, f"{ADAPTERS[name].stat().st_size / 2**20:.2f} MB", flush=True)


def halve(source: Path, target: Path) -> None:
    """Copy a safetensors file in half precision, with its notes."""
    with safe_open(source, "pt") as file, written(target) as partial:
        halves = {key: file.get_tensor(key).half() for key in file.keys()}  # noqa: SIM118  # no mapping
        partial.write_bytes(save(halves, metadata=file.metadata()))


def train_shipped(folder: Path, steps: int, device: str = "cpu") -> None:
    """Write the shipped pipeline's weights as checkpoints that later stages start from, and the scale of its latents,
    to a ``folder`` that has none: nothing has to be trained again."""
    for name in (*(f"{stage}.pt" for stage in CHECKPOINTS), SCALE):
        if (folder / name).exists():
            raise InputError(f"{folder} has a {name} of its own; choose another --folder.")
    pipeline = DiffusionPipeline.from_pretrained(WEIGHTS, torch_dtype=torch.float32)
    for stage, names in CHECKPOINTS.items():
        weights = {name: getattr(pipeline, name).state_dict() for name in names}
        with written(folder / f"{stage}.pt") as partial:
            torch.save({"ema": weights}, partial)
    scale = {name: pipeline.vae.config[name] for name in ("shift_factor", "scaling_factor")}
    with written(folder / SCALE) as partial:
        partial.write_text(json.dumps(scale))
