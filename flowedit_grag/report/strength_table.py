"""The four figures of strength as a table: range, direction, evenness and ends of every number that is turned."""

from collections.abc import Iterator, Sequence

from .comparison import Column, Comparison, variants
from .differences import paired
from .intervals import Mean, mean
from .runs import SUCCESS
from .scores import mean_of
from .strength import CHANGE, Turn, turns
from .tables import NOTHING, Cell, Header, Table, number

PSNR = ("psnr_outside", "pie_published_psnr", "psnr")
BROKEN = "lab_broken"
MOST_BROKEN = 0.03  # of the pictures at one value
UNEQUAL = "unequal"
NOTES = (
    "Weakest: the smallest strength; of any other number the end at which pictures change less, or the smallest value "
    "where change was not measured. Gained and lost: from there to the strongest.",
    "Rank correlation: Spearman's, of a sample's change with the order of the values, 0 where nothing changes; the "
    "median of the samples. Right way: of all steps to the next stronger value, those at which change grows.",
    "Largest step / range: of a sample's change from each value to the next the largest, over the change from end to "
    "end; the median of the samples, infinite for one whose ends are alike. 1/n is perfect. "
    f"{UNEQUAL.capitalize()}: the values are not equally spaced, and nothing is interpolated.",
    "Over the samples that all values have a number for (of a difference, both ends), with 95 % bootstrap intervals by "
    "session; rates over all samples of their own value.",
)
UNMEASURED = (
    f"The metric {CHANGE} was not measured: with it among the config's metrics, the same run once more measures it and "
    "makes no edit again."
)

Part = Iterator[tuple[Header, list[Cell]]]  # columns, with a cell for each number that is turned


def strength_table(comparison: Comparison, name: str) -> Table | None:
    """A row for every number that is turned; ``None`` where there is none."""
    if not (found := turns(comparison)):
        return None
    parts = _about(found), _range(found, comparison), _way(found), _ends(found, comparison)
    columns = [column for part in parts for column in part]
    rows = tuple(zip(*(cells for _, cells in columns), strict=True))
    of = [comparison.named(names)[:1] for names in ([CHANGE], PSNR, SUCCESS, [BROKEN])]
    remarks = (*NOTES, *(() if of[0] else (UNMEASURED,)), *variants([one for each in of for one in each]))
    headers = tuple(header for header, _ in columns)
    return Table(name, comparison.title, "strength", headers, {"": rows}, notes=(comparison.setting, *remarks))


def _about(found: Sequence[Turn]) -> Part:
    yield Header("row", number=False), [Cell(one.curve.name) for one in found]
    yield Header("turned", number=False), [Cell(one.curve.turned) for one in found]
    yield (
        Header("weakest to strongest", number=False),
        [Cell(f"{one.values[0]:g} to {one.values[-1]:g} in {one.steps} steps") for one in found],
    )


def _range(found: Sequence[Turn], comparison: Comparison) -> Part:
    ends = [(one.points[0][1], one.points[-1][1]) for one in found]
    for column in comparison.named([CHANGE]):
        gaps = [paired(comparison, strongest, weakest, column) for weakest, strongest in ends]
        yield Header(f"{column.label} gained", "range"), [_cell(gap, 1) for gap in gaps]
    for column in comparison.named(PSNR)[:1]:
        gaps = [paired(comparison, weakest, strongest, column) for weakest, strongest in ends]
        yield Header(f"{column.label} lost", "range"), [_cell(gap, 1) for gap in gaps]
    for column in comparison.named(SUCCESS)[:1]:
        unit, factor, digits = (", %", 100, 0) if column.is_rate else ("", 1, 2)
        for end, lines in zip(("weakest", "strongest"), zip(*ends, strict=True), strict=True):
            means = [mean_of(comparison, line, column, comparison.ids).scaled(factor) for line in lines]
            yield Header(f"{column.label} {end}{unit}", "range"), [_cell(one, digits) for one in means]


def _way(found: Sequence[Turn]) -> Part:
    ways = [one.direction() for one in found]
    yield Header("rank correlation", "direction"), [_cell(rank, 2) for rank, _ in ways]
    yield Header("right way, %", "direction"), [_cell(right.scaled(100), 0) for _, right in ways]
    steps = [_cell(one.evenness(), 2) if one.is_equally_spaced else Cell(UNEQUAL) for one in found]
    yield Header("largest step / range", "evenness"), steps
    yield Header("1/n", "evenness"), [Cell(f"{1 / one.steps:.3g}", value=1 / one.steps) for one in found]


def _ends(found: Sequence[Turn], comparison: Comparison) -> Part:
    weakest = [mean(one.changes[:, 0].tolist(), one.sessions) for one in found]
    yield Header("change weakest", "ends"), [_cell(one, 1) for one in weakest]
    for column in comparison.named([BROKEN]):
        broken = [_broken(one, column, comparison) for one in found]
        yield Header("broken at worst, %", "ends"), [worst for worst, _ in broken]
        yield Header(f"over {100 * MOST_BROKEN:g} % at", "ends", number=False), [at for _, at in broken]


def _broken(one: Turn, column: Column, comparison: Comparison) -> tuple[Cell, Cell]:
    """The share of broken pictures at the value that has most, and the values that have too many."""
    shares = [(value, mean_of(comparison, line, column, comparison.ids)) for value, line in one.points]
    known = [(value, share) for value, share in shares if share.n]
    if not known:
        return Cell(NOTHING), Cell(NOTHING)
    value, worst = max(known, key=lambda each: each[1].value)
    over = ", ".join(f"{value:g}" for value, share in known if share.value > MOST_BROKEN)
    return number(worst.scaled(100), 1, note=f"at {value:g}, {worst.n} samples"), Cell(over or "none")


def _cell(found: Mean, digits: int) -> Cell:
    return number(found, digits, note=f"{found.n} samples")
