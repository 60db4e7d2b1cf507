"""Mutants of configs: by structure, by text and by bytes, and changes of them as they are typed behind a command."""

import copy
import random
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import yaml

PLACES = [
    "/dev/zero", "/dev/null", "/etc/passwd", "/proc/self/mem", "/", ".", "..", "~", "x" * 255, "x" * 300,
    "a/" * 2000,
]  # fmt: skip
ADDRESSES = [
    "os:sep", "os.path:join", ".a:b", ":", "a:", ":b", "a:b:c", "json:dumps", "builtins:print", "no.such:thing",
    "..:x",
]  # fmt: skip
REFERENCES = [
    "${out}", "${nope}", "${oc.env:HOME}", "${oc.env:NOPE}", "${..}", "${.}", "${oc.decode:'[1,'}",
    "${oc.create:{a: 1}}", "${oc.select:out}", "${", "${a", "${oc.nope:1}", "???", "${methods}",
    "${oc.dict.keys:methods}", "${methods.${out}}",
]  # fmt: skip
NUMBERS = [
    0, -1, 1, 2, 3, 7, 1.5, 10**6, 10**9, 2**63, 10**18, 10**40, -(10**30), 10**400, 1e308, 1e-308, -0.0,
    float("nan"), float("inf"), float("-inf"), True, False,
]  # fmt: skip
WORDS = [
    "", " ", "x", "lab", "lab-fill", "lab-moe", "lab-kontext", "None", "null", "nan", "yes", "28", "1e5", "0x10",
    "1_000", "07", "12:30:45", "2020-01-01", "=1+1", "@x", "%s%n", "\\", "'", '"', "`id`", "$(id)", "; rm x",
    "a\x00b", "\u202e", "\ud800", "\ufeff", "💥" * 10, "é" * 300, "A" * 100_000, "openai:x@http://127.0.0.1:1/v1",
    "openai:@", "openai:x", "vlm:", "clip", "vlm:/nope", "file:///etc/passwd", "0-3", "cpu", "cuda:99", "float32",
    "validation", "test", "color", "CON", "NUL", "a" * 121,
]  # fmt: skip
WHOLES: list[Any] = [
    None, [], {}, [[]], [None], [{}], [1, "a", None], [1, 1], [-1], [0, 0, 0], [10**9], [0.5], ["0"], {1: 2},
    {None: 1}, {True: 1}, {"": ""}, {2.5: 1}, {"name": None}, {"name": []}, {"name": "lab"},
    {"name": "psnr", "x": 1}, {"method": "flowedit"}, {"lam": float("nan"), "delta": 1}, {"lam": 1e300, "delta": -1},
    {"seeds": 10**9, "steps": 10**9}, {"seeds": 1, "steps": 1}, {"name": "attention_weight", "gamma": float("nan")},
    {"a": {"b": {"c": [1, {"d": None}]}}}, list(range(2000)), ["nan", "inf"], b"bytes", ["x" * 300], {"x" * 300: 1},
    {"a.b": 1}, {"a[0]": 1}, "".join("[" for _ in range(300)), {"x": list(range(9))},
]  # fmt: skip
LINES = [
    "a: &a [*a]", "methods: &m {x: *m}", "<<: *x", "<<: [1]", "? [a, b]\n: c", "? {a: b}\n: c", "%YAML 9.9", "---",
    "...", "x: !foo bar", "x: !!python/object/apply:os.system ['touch RAN']", "x: !!python/name:os.system",
    "x: !!binary aGk=", "x: !!binary '@'", "x: !!set {a, b}", "x: !!timestamp 2001-01-01",
    "x: !!timestamp 2001-99-99", "x: !!int z", "x: !!float z", "x: !!bool z", "x: !!omap [a: 1]",
    "x: !!pairs [a: 1]", "x: !!null z", "x: 190:20:30", "x: 2001-13-45", "x: 2001-12-14t21:59:43.10-99:00",
    "&anchor", "*alias", "{", "}", "[", "]", "|", ">", "'", '"', "\ufeff", "\x85", "\u2028", "# \x07", "\t", "- a",
    "x: =", "=: 1",
]  # fmt: skip
SIGNS = [0, 7, 10, 13, 0x7F, 0x85, 0xA0, 0x2028, 0xD7FF, 0xFEFF, 0x1F600, *map(ord, "&*!%@`{[:\"'#|>-?,")]
KEYS = [
    "steps", "guidance", "grag", "dial", "n_max", "n_min", "n_avg", "true_cfg", "negative_prompt", "nudge", "solver",
    "layers", "vital_layers", "width", "early_filter", "judge", "model", "adapter", "method", "seed", "loading",
    "name", "path", "per_task", "tasks", "split", "turns", "limit", "resume", "both_orders", "lam", "delta", "gamma",
    "start", "strength", "injection", "paper", "record_on", "region", "metrics", "methods", "dataset", "out",
    "scale", "omega", "zeta", "skip_steps", "inject_steps", "source_guidance", "target_guidance",
    "batch_rows", "rank", "alpha", "experts", "mixtures", "plain", "top_k", "lr", "betas", "paths", "source",
    "every", "pairs", "panel", "logit_mean", "optimizer", "samples", "data", "dtype", "device",
]  # fmt: skip
NAMES = [
    "flowedit", "sdedit", "stableflow", "stableflow+", "rf-solver-edit", "icedit", "icedit-t2i", "reconstruct",
    "flowslider", "flowalign", "direct-edit",
    "psnr", "ssim", "lpips", "lab", "clip", "clip_t", "dino", "viescore", "editscore", "pie", "folder", "emu_edit",
    "magicbrush", "huggingface", "euler", "midpoint", "fireflow", "uni_inv", "ddim", "lab-lora", "lab-moe",
    "lab-fill", "float16", "bf16", "cuda", "mps", "meta", "group", "sequential", "grag-1", "bitsandbytes_4bit",
    "validation", "test", "multi", "color", "style", "published", "adamw", "prodigy", "attention_weight", "outside",
    "vital", "native", "flash", "own/prompts.csv", "pie/mapping_file.json", "own/0.png", "config.yaml", "runs",
    "a/b", "own",
]  # fmt: skip
LOADING = [
    "dtype", "device", "offload", "quantization", "lora", "adapter_scale", "attention_backend", "compile",
    "memory_budget", "revision",
]  # fmt: skip


def junk(rng: random.Random) -> Any:
    """A value that hardly any key expects."""
    return copy.deepcopy(rng.choice(rng.choice((PLACES, ADDRESSES, REFERENCES, NUMBERS, WORDS, WHOLES))))


def spots(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list in ``node`` with each of its keys."""
    inside = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in inside:
        yield node, key
        yield from spots(node[key])


def near(rng: random.Random, value: Any, tree: Any) -> Any:
    """Another value of the same kind, which may well be allowed."""
    if isinstance(value, bool):
        return rng.choice((not value, int(value), str(value)))
    if isinstance(value, int | float):
        return rng.choice(
            (0, 1, 2, 5, 28, 51, 10**6, 0.5, 1.0, 1.5, -value, value * 10**9, value + 0.5, str(value), value / 3)
        )
    if isinstance(value, str):
        said = [one[key] for one, key in spots(tree) if isinstance(one[key], str)]
        cut = (value[:-1], value * 50, value.upper(), f" {value}", f"{value}\n", f"{value}é", f"{value}/", f"{value}:x")
        return rng.choice((*cut, rng.choice(NAMES), rng.choice(NAMES), rng.choice(said)))
    if isinstance(value, list):
        return rng.choice((value * 2, value[::-1], value[1:], value[:1], (value or [1])[0], [], value * 300, [value]))
    if isinstance(value, dict):
        return rng.choice(
            (dict(reversed(value.items())), list(value), list(value.values()), {}, {**value, "name": "x"})
        )
    return junk(rng)


def by_structure(rng: random.Random, tree: dict[Any, Any]) -> None:
    """Change one thing in ``tree``."""
    found = list(spots(tree))
    if not found:
        return
    node, key = rng.choice(found)
    what = rng.randrange(13)
    if what == 0:
        del node[key]
    elif what == 1 and isinstance(node, dict):
        other = rng.choice((rng.choice(KEYS), junk(rng)))
        node[other if isinstance(other, str | int | float | None) else str(other)] = node.pop(key)
    elif what in (2, 3) and isinstance(node, dict):
        node[rng.choice(KEYS)] = rng.choice((junk(rng), near(rng, rng.choice((1, "x")), tree)))
    elif what == 4:
        tree["loading"] = {rng.choice(LOADING): rng.choice((junk(rng), rng.choice(NAMES)))}
    elif what == 5:
        other, place = rng.choice(found)
        if isinstance(place, int) and isinstance(other, list) and place >= len(other):
            return
        node[key] = copy.deepcopy(other[place])
    elif what == 6 and isinstance(node, list):
        node.append(junk(rng))
        node *= rng.choice((1, 2, 300))
    elif what == 7:
        for _ in range(rng.choice((1, 3, 90))):
            node[key] = rng.choice(([node[key]], {"name": node[key]}, {rng.choice(KEYS): node[key]}))
    elif what in (8, 9, 10):
        node[key] = near(rng, node[key], tree)
    else:
        node[key] = junk(rng)


def by_text(rng: random.Random, text: str) -> str:
    """Change the YAML itself."""
    lines = text.split("\n")
    at, spot = rng.randrange(len(lines)), rng.randrange(len(text) + 1)
    what = rng.randrange(15)
    if what == 0:
        lines.insert(at, lines[rng.randrange(len(lines))])
    elif what == 1:
        del lines[at]
    elif what == 2:
        lines[at] = rng.choice((" " * rng.randrange(5), "\t")) + lines[at]
    elif what in (3, 4):
        lines.insert(at, rng.choice(LINES))
    elif what == 5:
        deep = rng.choice((30, 300, 3000))
        lines.insert(
            at, "x: " + rng.choice(("[" * deep + "]" * deep, "{a: " * deep + "1" + "}" * deep, "[" * deep, "- " * deep))
        )
    elif what == 6:
        return text[:spot] + chr(rng.choice(SIGNS)) + text[spot + rng.randrange(2) :]
    elif what == 7:
        end = rng.randrange(len(text) + 1)
        return text[: min(spot, end)] + text[max(spot, end) :]
    elif what == 8:
        return text[:spot]
    elif what == 9:
        names = [f"l{number}" for number in range(rng.choice((3, 9, 40)))]
        bomb = "".join(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]\n" for last, name in pairwise(names))
        return f"l0: &l0 [x]\n{bomb}{text}"
    elif what == 10:
        lines[at] = re.sub(r":\s*(\S+)", r": &z \1", lines[at], count=1)
        lines.append(f"{rng.choice(KEYS)}: *z")
    elif what == 11:
        rng.shuffle(lines)
    elif what == 12:
        number = rng.choice(
            ("1e999", "-5", "0", "9" * 400, "9" * 5000, "0x1F", ".nan", "-.inf", "1__0", "0b2", "1:99:99", "0o9")
        )
        lines[at] = re.sub(r"\d+", number, lines[at])
    elif what == 13:
        return rng.choice(
            (
                "",
                "\n",
                "[]",
                "1",
                "null",
                "text",
                "- a",
                "{}",
                f"---\n{text}\n---\n{text}",
                text + "\n" + text,
                "#\n" * 9999,
            )
        )
    else:
        return text.replace(":", rng.choice(("", "::", " :", "=", ":\t", ": - ")), rng.choice((1, 3)))
    return "\n".join(lines)


def by_bytes(rng: random.Random, content: bytes) -> bytes:
    """Flip, cut, repeat, insert bytes, or write all in another encoding."""
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(content) + 1)
        what = rng.randrange(5)
        if what == 0 and at < len(content):
            content = content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
        elif what == 1:
            content = content[:at] + rng.randbytes(rng.choice((1, 2, 9))) + content[at:]
        elif what == 2:
            content = content[:at] + content[at + rng.randrange(99) :]
        elif what == 3:
            content = content[:at] + content[max(0, at - rng.randrange(99)) :]
        elif rng.random() < 0.2:
            content = content.decode("utf-8", "replace").encode(
                rng.choice(("utf-16", "utf-32-be", "utf-7", "utf-8-sig"))
            )
    return content


def written(tree: Any) -> str:
    """``tree`` as YAML, whatever is in it."""
    try:
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    except yaml.YAMLError:
        return yaml.dump(tree, sort_keys=False)


def mutant(rng: random.Random, base: dict[Any, Any]) -> bytes:
    """A config in YAML that is ``base`` but for one to four changes."""
    tree = copy.deepcopy(base)
    way = rng.random()
    if way < 0.35:
        for _ in range(rng.choice((1, 1, 2, 3))):
            node, key = rng.choice(list(spots(tree)))
            node[key] = near(rng, node[key], tree)
    elif way < 0.75:
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            by_structure(rng, tree)
    text = by_text(rng, written(tree)) if 0.75 <= way < 0.9 or way < 0.02 else written(tree)
    content = text.encode("utf-8", "surrogatepass")
    return by_bytes(rng, content) if way >= 0.9 else content


VALUES = [
    "1", "0", "-1", "nan", "inf", "1e400", "null", "", "[", "]", "[1,2]", "[=1", "{a: b}", "{", "true", "lab",
    "\x00", "💥", "'", '"', ": :", "- a", "[" * 300, "[" * 2000, "{a: " * 300, "9" * 400, "9" * 5000, "\n", "a=b",
    "a: b: c", "&a [*a]", "*a", "!!python/name:os.system", "!!int z", "2001-99-99", "!!binary '@'", "x" * 3000,
    "/dev/zero", *ADDRESSES, *REFERENCES,
]  # fmt: skip
DOTTED = [
    "a.b.c.d", "x[", "x]", "[", "]", "", "a..b", ".", ".a", "a.", "[0]", "a[b][c]", "\x00", "💥", "seed.x",
    "metrics[99]", "metrics[-1]", "metrics.0", "metrics.x", "methods[", "methods[new row].method", "loading.lora.0",
    "dataset.name", "adapter.rank", "optimizer.name", "data.source", "name",
]  # fmt: skip


def overrides(rng: random.Random, tree: Any) -> list[str]:
    """KEY=VALUE words, most often none."""
    keys = [*(way for way, _ in _leaves(tree)), *DOTTED, *KEYS]
    written = ("{}={}",) * 9 + ("{}{}", "{}=={}", "--{}={}", "={}{}", "{}.{}", "{}.x={}", "{}[0]={}", "{}\n={}")
    made = []
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        if rng.random() < 0.5 and (
            leaves := [(way, of) for way, of in _leaves(tree) if not isinstance(of, dict | list)]
        ):
            way, value = rng.choice(leaves)
            made.append(f"{way}={near(rng, value, tree)}")
        else:
            made.append(rng.choice(written).format(rng.choice(keys), rng.choice((*VALUES, *NAMES))))
    return made


def _leaves(node: Any, way: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of ``node`` as it is typed, such as ``methods[a row].steps``, with its value."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inside:
        plain = not way or (isinstance(key, str) and key.isidentifier())
        yield (here := f"{way}.{key}".lstrip(".") if plain else f"{way}[{key}]"), value
        yield from _leaves(value, here)


def choose(rng: random.Random, bases: Sequence[dict[Any, Any]]) -> tuple[bytes, list[str]]:
    """A mutated config and what is typed to change it."""
    base = rng.choice(bases)
    options = overrides(rng, base)
    return (written(base).encode() if options and rng.random() < 0.6 else mutant(rng, base)), options
