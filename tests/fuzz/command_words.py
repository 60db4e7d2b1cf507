"""Command lines: every command, its flags and its KEY=VALUE words, with values that make sense and that make none."""

import random
from collections.abc import Sequence
from pathlib import Path

from .mutants import DOTTED, KEYS, LOADING, NAMES, VALUES

NUMBERS = [
    "0", "1", "-1", "2", "1.5", "nan", "inf", "-inf", "1e309", "9" * 30, "-" + "9" * 400, "abc", "", " ", "0x1",
    "1_0", "٣", "²", "½", "1e5", "true", "None", "1,2", "0.9:1.1:2", "1:2:0", "1:2:-1", "::", "0:1:100000000",
    "nan:inf:3", "1," * 3000, ",", "1:" + "9" * 400 + ":2",
]  # fmt: skip
FILES = [
    "a.png", "nope.png", "dir", "", "/proc", "/dev/null", "/dev/zero", "t.txt", "x" * 255, "x" * 300 + ".png",
    "x/" * 2000, "a\n.png", "💥.png", "-", "--", "http://127.0.0.1:1/a.png", "file:///etc/passwd", "~/a.png",
    "/proc/self/mem", "NUL", "dir/a.png", "t.txt/a.png", "\udce9.png", "c.yaml", "t.yaml", "n.json", "run",
    "run/config.yaml", "lab/table1",
]  # fmt: skip
OUTPUTS = [
    "b.png", "b.jpg", "b.webp", "b.tif", "b.bmp", "new/b.png", "a.png", "dir", "", "/dev/null", "/proc/b.png", "b",
    "b.gif", "b.PNG", "x" * 251 + ".png", "x" * 255, "x" * 300 + ".png", "a.png/b.png", "t.txt/b", "💥.png",
    "b\n.png", "-", "new", "b.json", "b.md", "\udce9.png", "dir/../b.png", "run", "./b.png", "b.png/", ".png",
    "y/" * 1500 + "b.png",
]  # fmt: skip
TEXTS = [
    "a cat", "", " ", "x" * 20_000, "💥" * 500, "\u202e", "a\nb", "<script>", "%s", "${oc.env:HOME}", "\\", "é", "-",
    "\udce9", "--help", "make the star green", "a red circle on a sky background",
]  # fmt: skip
VALUES_OF = {
    "model": [
        "lab", "lab-fill", "nope", "a/b", "../..", "/proc", "dir", "run", "x" * 300, "x/" + "y" * 300, "", "LAB",
        "t.txt",
    ],
    "adapter": ["lab-moe", "lab-lora", "nope", "a/b", "a.png", "dir", "x" * 300, "t.txt", "", "/dev/null", "x.bin"],
    "device": ["cpu", "cuda", "cuda:99", "mps", "meta", "xpu", "", "x", "cpu:5", "cpu:-1", "cuda:" + "9" * 30],
    "dtype": ["float32", "bfloat16", "float16", "float8", "x", "", "int8", "torch.float32"],
    "offload": ["none", "model", "group", "sequential", "x", ""],
    "quantization": ["bitsandbytes_4bit", "nf4", "x", "", "{}"],
    "method": [
        "flowedit", "stableflow", "stableflow+", "icedit", "icedit-t2i", "sdedit", "reconstruct", "rf-solver-edit",
        "nope", ".a:b", "os:sep", "os.path:join", "json:loads", ":", "", "a:", "x" * 300,
        "flowedit_grag.methods.base:Method", "antigravity_no:x",
    ],
    "early-filter": [
        "6x10", "1x1", "2x1", "0x0", "x", "2x", "²x²", "999999999x1", "2x2x2", "-1x2", "2X2", "٢x٢", " 2 x 2 ",
    ],
    "judge": [
        "lab", "clip", "vlm:", "vlm:/nope", "openai:", "openai:x@file:///etc", "os:sep", "os.path:join", ".a:b", ":",
        "x" * 300,
    ],
    "executor": ["serial", "serial", "nope", ".a:b", "os:sep", "os.path:join", "os:getcwd", ":"],
    "task": ["color", "shape", "nope", "", "COLOR"],
    "metrics": ["psnr", "psnr,ssim", "", ",", "nope", "psnr,psnr", "lab", "os:sep", ".a:b", "psnr,"],
    "measurements": ["dir", "nope", "t.txt", "run", "", "x" * 300],
}  # fmt: skip
SUBJECT = [
    "--source-prompt", "a red circle on a sky background", "--target-prompt", "a blue circle on a sky background",
]  # fmt: skip
FLAGS = [
    "--json", "--both-orders", "--resume", "--keep-record", "--retry-failed", "--nope", "--help", "--version", "-x",
    "--", "-o",
]  # fmt: skip


def words(rng: random.Random, tiny: Path) -> list[str]:
    """What is typed behind ``flowedit-grag``; models are mostly the one in ``tiny``. Half could be meant."""
    command = rng.choice(tuple(COMMANDS) + ("edit",) * 6 + ("sweep",) * 3 + ("run",) * 3)
    found = COMMANDS[command](_Choice(rng, 0.03 if rng.random() < 0.5 else 0.25))
    if command in ("edit", "sweep", "analyze", "vital-layers") and found[0] not in ("toy", "nope"):
        found += ["--model", str(tiny) if rng.random() < 0.9 else rng.choice(VALUES_OF["model"])]
    found = [command, *found]
    if rng.random() < 0.1:
        found.insert(rng.randrange(len(found) + 1), rng.choice((*FLAGS, *FILES, *TEXTS)))
    if rng.random() < 0.05:
        del found[rng.randrange(len(found))]
    return [word.replace("\x00", "") for word in found]  # no system passes it on


class _Choice:
    """Chooses what makes sense, or with the probability ``odd`` what may make none."""

    def __init__(self, rng: random.Random, odd: float):
        self.rng, self.odd = rng, odd

    def of(self, good: Sequence[str], others: Sequence[str]) -> str:
        return self.rng.choice(others if self.rng.random() < self.odd else good)

    def flags(self, **good: Sequence[str]) -> list[str]:
        """Some of the flags, each with a value."""
        found: list[str] = []
        for name in self.rng.sample(sorted(good), min(len(good), self.rng.choice((0, 1, 1, 2, 3)))):
            flag = name.replace("_", "-")
            texts = flag in ("source-prompt", "target-prompt", "instruction")
            value = self.of(good[name], TEXTS if texts else VALUES_OF.get(flag, NUMBERS))
            found += [f"--{flag}={value}"] if self.rng.random() < 0.2 else [f"--{flag}", value]
        return found

    def switches(self, *names: str) -> list[str]:
        return [name for name in names if self.rng.random() < 0.15]

    def changes(self, **good: Sequence[str]) -> list[str]:
        """KEY=VALUE, but never for ``out``: trials write in their own folders only."""
        keys = [
            key for key in (*KEYS, *LOADING, *DOTTED, "self", "flow", "kwargs", "options", "control") if key != "out"
        ]
        found = []
        for _ in range(self.rng.choice((0, 0, 1, 1, 2))):
            name = self.rng.choice(sorted(good))
            key = self.of([name.replace("__", ".")], keys)
            found.append(f"{key}={self.of(good[name], (*VALUES, *NAMES, *NUMBERS))}")
        return [change for change in found if not change.startswith("out")]


LOADED = {"device": ["cpu"], "dtype": ["float32", "bfloat16"], "offload": ["none"], "seed": ["0", "3"]}
METHODS = ["flowedit", "stableflow", "stableflow+", "sdedit", "rf-solver-edit", "reconstruct", "icedit-t2i"]


def _edit(choice: _Choice, sweep: bool = False) -> list[str]:
    method = choice.rng.choice((["--method", choice.of(METHODS, VALUES_OF["method"])], []))
    inverted = ["--instruction", "make the circle blue"] if "icedit-t2i" in method else SUBJECT
    said = inverted if choice.rng.random() < 0.9 else choice.rng.choice((["--instruction", "x"], SUBJECT[:2], []))
    deltas = ["0.9:1.1:2", "1,1.2"] if sweep else ["1.1", "0.9"]
    own = {} if sweep else {"early_filter": ["2x1"], "judge": ["lab"], "adapter": ["lab-moe"]}
    few = own if choice.rng.random() < 0.1 else {}
    flags = choice.flags(**LOADED, **(few or {"delta": deltas, "lam": ["1"]}))
    flags += choice.switches("--json") + ([] if sweep else choice.switches("--keep-record", "--both-orders"))
    changes = choice.changes(steps=["1", "2"], guidance=["2", "1.0"], compile=["false"], memory_budget=["1000000000"])
    if "stableflow" in " ".join(method or ["stableflow"]) or sweep:
        changes += ["vital_layers=[0,1]"] if choice.rng.random() < 0.9 else []  # the tiny model says none
    outputs = ["b.png", "b.jpg", "b.webp", "new/b.png", "b.tif"]
    return [choice.of(["a.png"], FILES), *method, *said, *flags, *changes, "-o", choice.of(outputs, OUTPUTS)]


def _scene(choice: _Choice) -> list[str]:
    return [*choice.flags(seed=["0", "5"], task=["color", "move"]), "-o", choice.of(["new"], OUTPUTS)]


def _vital_layers(choice: _Choice) -> list[str]:
    counts = choice.flags(prompts=["1"], seeds=["1"], steps=["1"], device=["cpu"], dtype=["float32"])
    return ["-o", choice.of(["b.json"], OUTPUTS), *counts]


def _analyze(choice: _Choice) -> list[str]:
    kind = choice.rng.choice(("bias", "entropy", "toy", choice.of(["bias"], ["nope", "", "-"])))
    out = ["-o", choice.of(["new"], OUTPUTS)]
    if kind not in ("bias", "entropy"):
        return [kind, *out]
    own = {"layers": ["0", "0,1"]} if kind == "bias" else {"delta": ["0.9:1.1:2"]}
    flags = choice.flags(steps=["1", "2"], **own, **LOADED)
    return [kind, choice.of(["a.png"], FILES), *(SUBJECT if choice.rng.random() < 0.9 else SUBJECT[:2]), *flags, *out]


def _train(choice: _Choice) -> list[str]:
    changes = choice.changes(steps=["1"], width=["64"], adapter__rank=["1"], data__pairs=["9"], optimizer__lr=["0.1"])
    return [choice.of(["t.yaml"], FILES), *changes]


def _run(choice: _Choice) -> list[str]:
    flags = choice.flags(executor=["serial"], limit=["1", "2"], workers=["1"]) + choice.switches("--retry-failed")
    changes = choice.changes(
        seed=["1"], dataset__per_task=["1", "2"], metrics=["[psnr]", "[ssim, psnr]"], batch_rows=["1"], paper=["null"]
    )
    return [choice.of(["c.yaml"], FILES), *flags, *changes]


def _report(choice: _Choice) -> list[str]:
    runs = [choice.of(["run"], FILES) for _ in range(choice.rng.choice((1, 1, 1, 2, 0)))]
    return [*runs, "-o", choice.of(["new"], OUTPUTS)]


def _claims(choice: _Choice) -> list[str]:
    runs = [choice.of(["run"], FILES) for _ in range(choice.rng.choice((1, 1, 1, 2, 0)))]
    return [*runs, *choice.flags(measurements=["dir"]), "-o", choice.of(["b.md"], OUTPUTS)]


COMMANDS = {
    "edit": _edit, "sweep": lambda choice: _edit(choice, sweep=True), "scene": _scene, "vital-layers": _vital_layers,
    "analyze": _analyze, "train": _train, "run": _run, "report": _report, "claims": _claims,
    "methods": lambda choice: [],
}  # fmt: skip
