"""What a strength should turn, and how far: the range of a method's number in which pictures stay whole, made even.

Whether they do is asked of the model's autoencoder, which no ground truth is needed for: what is no picture of the
model's world it reproduces worse.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..backbone.image import padded
from ..backbone.image_flow import ImageFlow
from ..errors import InputError
from ..methods import METHODS, Method
from ..methods.strength import DELTA, Calibration, published, turned_to
from .charts import PALETTE, save, sheet, write_json

DELTAS = (2.0, 1.6, 1.4, 1.25, 1.1, 1.0, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2, 0.05)  # weakest edit first
VALUES = len(DELTAS)
BEYOND = 1.5  # of the published range is looked at
AT_REST = 1.0  # delta, where no GRAG is
FINER = 3  # intervals that are looked into
KNOTS = 9
DIGITS = 5
# dB that the autoencoder may lose more on an edit than on the one at rest, in the mean. Chosen on the lab's validation
# edits: up to there its oracle could still read 94 % of those that it could read at rest, with three methods.
LOSS = 1.25
LEAST = 1.0  # grey levels from end to end, below which a picture says nothing about evenness

# Edits one picture with each of the methods: the edits, and the source as the model shows it.
Sweep = Callable[[Sequence[Method]], tuple[Sequence[Image.Image], Image.Image]]


@dataclass(frozen=True)
class Trace:
    """One picture edited at every value: its mean absolute ``change`` against the source in grey levels, and the
    ``error`` of the autoencoder on it in dB (PSNR, negative), ``[values]`` each."""

    change: np.ndarray
    error: np.ndarray

    def joined(self, other: "Trace") -> "Trace":
        """Both, one after the other."""
        return Trace(np.append(self.change, other.change), np.append(self.error, other.error))

    def at(self, order: Sequence[int]) -> "Trace":
        """The same in another order."""
        return Trace(self.change[list(order)], self.error[list(order)])


def tried(kind: type[Method], name: str) -> tuple[str, tuple[float, ...]]:
    """Which number is looked at, and at which values, weakest edit first. Raises :class:`InputError` where the method
    has none."""
    found = published(kind, name)
    if found.option == DELTA:
        return DELTA, DELTAS
    weakest, strongest = found.values[0], found.values[-1]
    return found.option, tuple(weakest + (strongest - weakest) * at for at in np.linspace(0, BEYOND, VALUES).tolist())


def accepted(method: Method, option: str, values: Sequence[float]) -> dict[float, Method]:
    """``method`` turned to each of ``values`` that its option may have."""
    made = {}
    for value in values:
        with suppress(InputError):
            made[value] = turned_to(method, option, value)
    return made


def trace(flow: ImageFlow, sweep: Sweep, methods: Sequence[Method]) -> Trace:
    """What each of the ``methods``, from the weakest to the strongest, does to one picture."""
    edits, before = sweep(methods)
    shown = np.asarray(before, np.float64)
    change = [float(np.abs(np.asarray(edit, np.float64) - shown).mean()) for edit in edits]
    return Trace(np.array(change), np.array([-_roundtrip(flow, edit) for edit in edits]))


def _roundtrip(flow: ImageFlow, image: Image.Image) -> float:
    """PSNR in dB of a picture that went through the autoencoder: low for what is no picture of the model's."""
    again = flow.decode(flow.encode(padded(image, flow.multiple)), image.size)
    error = float(np.mean((np.asarray(again, float) - np.asarray(image, float)) ** 2))
    return 10 * np.log10(255**2 / max(error, 1e-6))


def fitted(option: str, values: Sequence[float], traces: Sequence[Trace], rest: float, **of: Any) -> Calibration:
    """The calibration under which the mean picture changes evenly: from the value with the least change to the last one
    beyond ``rest``, the method's own, where pictures are whole. Raises :class:`InputError` where nothing changes."""
    change, error = (np.stack([getattr(one, name) for one in traces]) for name in ("change", "error"))
    start, end = _useful(change.mean(0), error, int(np.argmin(np.abs(np.array(values) - rest))))
    moved = change[change[:, end] - change[:, start] >= LEAST][:, start : end + 1]
    if not len(moved):
        raise InputError(f"turning {option} changes no picture by {LEAST:g} grey level: nothing to calibrate.")
    shares = ((moved - moved[:, :1]) / (moved[:, -1:] - moved[:, :1])).mean(0)
    shares = np.maximum.accumulate(np.clip(shares, 0, 1)) + 1e-9 * np.arange(len(shares))  # rises strictly
    even = np.interp(np.linspace(0, 1, KNOTS), shares / shares[-1], values[start : end + 1])
    return Calibration(option=option, values=tuple(float(f"{value:.{DIGITS}g}") for value in even.tolist()), **of)


def _useful(change: np.ndarray, error: np.ndarray, rest: int) -> tuple[int, int]:
    """First and last index: of the least mean ``change`` up to ``rest``; and from there on while it rises and the
    mean ``error`` ``[pictures, values]`` does not by more than :data:`LOSS`."""
    lost = (error - error[:, rest : rest + 1]).mean(0)
    end = rest
    while end + 1 < len(change) and change[end + 1] > change[end] and lost[end + 1] <= LOSS:
        end += 1
    return int(np.argmin(change[: rest + 1])), end


@dataclass(frozen=True)
class Calibrated:
    """A calibration and what it was made from: pictures at ``values`` of the option, a trace each."""

    calibration: Calibration
    values: tuple[float, ...]
    traces: tuple[Trace, ...]

    def write(self, path: str | Path) -> list[Path]:
        """Write the JSON at ``path``, for ``calibrate=``, and the chart beside it (``.png``); returns both paths."""
        path = Path(path)
        change, error = (np.stack([getattr(one, name) for one in self.traces]) for name in ("change", "error"))
        means = {"change": change.mean(0).round(3).tolist(), "roundtrip_psnr": (-error).mean(0).round(3).tolist()}
        numbers = {"tried": self.values, **means}
        made = {**asdict(self.calibration), "pictures": len(self.traces), **numbers}
        return [write_json(made, path, indent=2), self._chart(change, path.with_suffix(".png"))]

    def _chart(self, change: np.ndarray, path: Path) -> Path:
        """Every picture's change by the option's value, and by strength."""
        found = self.calibration
        figure, (raw, even) = sheet(2, f"{found.method} on {found.model}", panel=(4.2, 3.4))
        strengths = np.linspace(0, 1, len(found.values))
        order = np.argsort(self.values)
        values = np.array(self.values)[order]
        for line in (*change, change.mean(0)):
            style = {"linewidth": 0.6, "color": PALETTE[5]} if len(raw.lines) < len(change) else {"linewidth": 2.4}
            raw.plot(values, line[order], **style)
            even.plot(strengths, np.interp(found.values, values, line[order]), **style)
        raw.axvspan(min(found.values), max(found.values), alpha=0.12, color=PALETTE[1])
        raw.set(xlabel=found.option, ylabel="mean change, grey levels", title="as it is, and the useful range")
        even.set(xlabel="strength", title="calibrated")
        return save(figure, path)


def calibrated(flow: ImageFlow, method: Method, sweeps: Sequence[Sweep], done: Callable[[int], None]) -> Calibrated:
    """The strength of ``method`` on ``flow``, from a few pictures; ``done`` is told how many have been looked at."""
    name = METHODS.name_of(type(method))
    option, values = tried(type(method), name)
    if not (made := accepted(method, option, values)):
        raise InputError(
            f"{name} refuses every value of {option} from {values[0]:g} to {values[-1]:g}; check its options."
        )
    if not sweeps:
        raise InputError("there is no picture to calibrate on; give at least one problem.")
    traces: list[Trace] = []
    for number, sweep in enumerate(sweeps, start=1):
        traces.append(trace(flow, sweep, [*made.values()]))
        done(number)
    if finer := accepted(method, option, between([*made], traces)):
        for number, sweep in enumerate(sweeps, start=1):
            traces[number - 1] = traces[number - 1].joined(trace(flow, sweep, [*finer.values()]))
            done(len(sweeps) + number)
        found = [*made, *finer]
        order = sorted(range(len(found)), key=found.__getitem__, reverse=values[0] > values[-1])
        made, traces = dict.fromkeys(found[at] for at in order), [one.at(order) for one in traces]  # type: ignore[assignment]
    rest = published(type(method), name).reached_by(method)
    rest = AT_REST if rest is None else rest
    calibration = fitted(option, [*made], traces, rest, model=flow.name, method=name)
    return Calibrated(calibration, tuple(made), tuple(traces))


def between(values: Sequence[float], traces: Sequence[Trace]) -> list[float]:
    """The middles of the :data:`FINER` intervals of ``values`` over which the mean change rises most: an edit may come
    all at once, and what happens between is to be seen."""
    rise = np.diff(np.stack([one.change for one in traces]).mean(0))
    steep = [at for at in np.argsort(-rise)[:FINER] if rise[at] > 0]
    return [values[at] + (values[at + 1] - values[at]) * part for at in steep for part in (1 / 3, 2 / 3)]
