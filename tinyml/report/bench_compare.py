"""Several results side by side: what accuracy costs in SRAM, flash and time."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from rich.table import Table
from rich.text import Text

from tinyml.bench.document import BenchReport
from tinyml.report.bench_terminal import interval, percent
from tinyml.report.page import render_page
from tinyml.report.plot import Mark, Plot, ticks, x_axis, y_axis

_LOG_FROM = 8.0  # times the smallest: axes that reach further are logarithmic


@dataclass(frozen=True, slots=True)
class Candidate:
    """One result, by the name that tells it from the others. latency_ms: measured where it was, else modelled."""

    name: str
    report: BenchReport

    @property
    def accuracy(self) -> float | None:
        return self.report.accuracy.value

    @property
    def sram_bytes(self) -> float | None:
        return None if self.report.cost is None else self.report.cost.peak_sram_bytes

    @property
    def flash_bytes(self) -> float | None:
        return None if self.report.cost is None else self.report.cost.flash_bytes

    @property
    def latency_ms(self) -> float | None:
        latency, cost = self.report.latency, self.report.cost
        if latency is not None and latency.kind == "measured":
            return latency.median_ms
        return None if cost is None else cost.latency_ms


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in `unit`; None where it is not known."""

    unit: str
    of: Callable[[Candidate], float | None]


PRICES = {
    "peak SRAM": Price("KiB", lambda c: None if c.sram_bytes is None else c.sram_bytes / 1024),
    "flash": Price("KiB", lambda c: None if c.flash_bytes is None else c.flash_bytes / 1024),
    "latency": Price("ms", lambda c: c.latency_ms),
}


def candidates(reports: Sequence[BenchReport]) -> list[Candidate]:
    """Named by their model files; by number, too, where two have the same name."""
    names = [report.setup.model for report in reports]
    named = [
        f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name for i, name in enumerate(names)
    ]
    return [Candidate(name, report) for name, report in zip(named, reports, strict=True)]


def differences(given: Sequence[Candidate]) -> list[str]:
    """Why the results may not be comparable, in words."""
    setups = [c.report.setup for c in given]
    pictures = {(s.data, s.limit, s.seed, s.shard) for s in setups}
    boards = {c.report.cost.board for c in given if c.report.cost is not None}
    facts = {"pictures": len(pictures), "board": len(boards)}
    return [f"they were not run on the same {what}" for what, count in facts.items() if count > 1]


def on_front(given: Sequence[Candidate], price: Price) -> set[str]:
    """Names of those that no other beats: it is at least as accurate and as cheap, and better in one of both."""
    points = [(c.name, c.accuracy, p) for c in given if (p := price.of(c)) is not None and c.accuracy is not None]
    return {
        name
        for name, accuracy, cost in points
        if not any(a >= accuracy and p <= cost and (a > accuracy or p < cost) for _, a, p in points)
    }


def compare_table(given: Sequence[Candidate]) -> Table:
    """An asterisk marks what is on the front of accuracy against that price."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("model", "accuracy", "95 % interval", "F1", *PRICES):
        table.add_column(column, justify="left" if column == "model" else "right")
    for row in rows(given):
        table.add_row(*map(Text, row))
    return table


def rows(given: Sequence[Candidate]) -> list[list[str]]:
    """By falling accuracy."""
    fronts = {name: on_front(given, price) for name, price in PRICES.items()}
    listed = []
    for each in sorted(given, key=lambda c: -(c.accuracy or 0.0)):
        person = each.report.person
        f1 = "-" if person is None else percent(person.f1.value)
        row = [each.name, percent(each.accuracy), interval(each.report.accuracy), f1]
        for name, price in PRICES.items():
            value = price.of(each)
            row.append(
                "-" if value is None else f"{value:,.1f} {price.unit}{' *' if each.name in fronts[name] else ''}"
            )
        listed.append(row)
    return listed


def document(given: Sequence[Candidate]) -> list[dict[str, object]]:
    """For programs; in the order in which they were given. front: against which prices nothing beats it."""
    fronts = {name: on_front(given, price) for name, price in PRICES.items()}
    return [
        {
            "model": each.name,
            "accuracy": asdict(each.report.accuracy),
            "f1": None if each.report.person is None else asdict(each.report.person.f1),
            "peak_sram_bytes": each.sram_bytes,
            "flash_bytes": each.flash_bytes,
            "latency_ms": each.latency_ms,
            "front": [name for name, front in fronts.items() if each.name in front],
        }
        for each in given
    ]


def compare_page(given: Sequence[Candidate]) -> str:
    """One HTML page that needs nothing else."""
    plots = [(name, _plot(given, name, price)) for name, price in PRICES.items()]
    context = {
        "title": f"{len(given)} models compared",
        "columns": ["model", "accuracy", "95 % interval", "F1", *PRICES],
        "rows": rows(given),
        "plots": [(name, plot) for name, plot in plots if plot is not None],
        "notes": differences(given),
    }
    return render_page("compare.html.j2", context)


def _plot(given: Sequence[Candidate], name: str, price: Price) -> Plot | None:
    points = [(c, p, c.accuracy) for c in given if (p := price.of(c)) is not None and c.accuracy is not None]
    if not points:
        return None
    least, most = min(p for _, p, _ in points), max(p for _, p, _ in points)
    logarithmic = most > _LOG_FROM * least > 0
    x = x_axis(least * 0.7, most * 1.4, logarithmic=True) if logarithmic else x_axis(0.0, most * 1.15)
    accuracies = [a for *_, a in points]
    y = y_axis(max(0.0, min(accuracies) - 0.03), min(1.0, max(accuracies) + 0.03))
    front = on_front(given, price)
    marks = tuple(
        Mark(
            x.at(p), y.at(a), c.name, "mark" if c.name in front else "off",
            anchor="end" if x.at(p) > (x.start + x.end) / 2 else "start",
        )
        for c, p, a in points
    )  # fmt: skip
    return Plot(
        label=f"accuracy against {name}",
        x_name=f"{name}, {price.unit}",
        x_ticks=ticks(x, "{:g}"),
        y_ticks=ticks(y, "{:.0f} %", 100),
        lines=(),
        marks=marks,
    )
