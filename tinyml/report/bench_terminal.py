"""The result of a benchmark at the terminal."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tinyml.bench.document import BenchReport, Comparison, Cost, Latency, PersonScores
from tinyml.bench.metrics import Score
from tinyml.report.terminal import duration, size

_FEW = 5


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.1f} %"


def interval(score: Score) -> str:
    if score.low is None or score.high is None:
        return ""
    return f"{score.low * 100:.1f} to {score.high * 100:.1f}"


def bench_tables(report: BenchReport) -> RenderableType:
    """Headline, scores, cost, and what was left out; every interval is a 95 % bootstrap interval."""
    parts: list[RenderableType] = [Text(_headline(report)), "", _overall(report)]
    if report.person is not None and report.person.fine:
        parts += ["", _fine(report.person)]
    if report.cost is not None or report.latency is not None:
        parts += ["", _table(_costs(report.cost, report.latency))]
    if report.comparison is not None:
        parts += ["", *(Text(line) for line in comparison_lines(report.comparison))]
    parts += [Text(line) for line in _left_out(report)]
    return Group(*parts)


def _headline(report: BenchReport) -> str:
    setup = report.setup
    return f"{setup.model} ({setup.numbers}) on {setup.on}\n{setup.data}; {setup.preparation}"


def _overall(report: BenchReport) -> Table:
    rows = [("accuracy", percent(report.accuracy.value), interval(report.accuracy), f"{report.counts.scored:,}")]
    if report.person is not None:
        rows.append(("F1", percent(report.person.f1.value), interval(report.person.f1), ""))
        rows.append(("F1 from rates", percent(report.person.rate_f1.value), interval(report.person.rate_f1), ""))
    for each in report.class_scores if len(report.class_scores) <= 20 else ():
        rows.append((f"recall of {each.name}", percent(each.recall.value), interval(each.recall), f"{each.count:,}"))
    return _table(rows, ("", "score", "95 % interval", "pictures"))


def _fine(person: PersonScores) -> Table:
    rows = []
    before = ""
    for score in person.fine:
        suite = "" if score.suite == before else score.suite
        before = score.suite
        f1 = score.f1
        counts = f"{score.positive.count:,} / {score.negative.count:,}"
        rows.append((suite, score.title, percent(f1.value), interval(f1), counts))
    return _table(rows, ("", "", "F1 from rates", "95 % interval", "pictures"))


def _costs(cost: Cost | None, latency: Latency | None) -> Iterator[tuple[str, str, str]]:
    if cost is not None:
        yield "board", cost.title, cost.problem or ""
        yield "peak SRAM", size(cost.peak_sram_bytes), "exact"
        yield "flash", size(cost.flash_bytes), "exact"
        if cost.latency_ms is not None:
            yield "latency", duration(cost.latency_ms), cost.latency_kind
    if latency is not None:
        spread = f"{latency.kind}, {latency.p5_ms:.2f} to {latency.p95_ms:.2f} ms in 90 % of {latency.count:,} runs"
        yield "latency here", f"{latency.median_ms:.2f} ms", spread


def comparison_lines(other: Comparison) -> list[str]:
    """What another executor says of the same pictures."""
    bytes_ = "" if other.identical is None else f"; outputs equal to the byte for {other.identical:,}"
    lines = [
        f"against {other.on}: the same answer for {other.same_answers:,} of {other.compared:,} pictures{bytes_}",
        f"  {other.on} scores {percent(other.accuracy.value)}; right there and wrong here: {len(other.lost)}, "
        f"the other way round: {len(other.won)}",
    ]
    lines += [f"  lost: {key}" for key in other.lost[:_FEW]]
    if len(other.lost) > _FEW:
        lines.append(f"  and {len(other.lost) - _FEW} more, in report.json")
    return lines


def _left_out(report: BenchReport) -> Iterator[str]:
    counts = report.counts
    if counts.selected != counts.scored:
        yield (
            f"\nof {counts.selected:,} selected: {counts.scored:,} scored, {counts.excluded:,} persons too small to count, "
            f"{counts.unlabelled:,} without label, {counts.unusable:,} unusable"
        )
    for key, reason in report.problems[:_FEW]:
        yield f"  {key}: {reason}"
    if len(report.problems) > _FEW:
        yield f"  and {len(report.problems) - _FEW} more, in report.json"
    if report.person is not None:
        for name, count in report.person.unknown.items():
            yield f"  column {name} is empty for {count:,} pictures, which count as not in it"
    for note in report.notes:
        yield f"note: {note}"


def _table(rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]], header: Sequence[str] = ()) -> Table:
    table = Table(box=None, show_header=bool(header), header_style="bold", pad_edge=False)
    listed = list(rows)
    names = tuple(header) or ("",) * len(listed[0])
    for index, name in enumerate(names):
        numbers = bool(listed) and any(ch.isdigit() for ch in listed[0][index]) and index > 0 and bool(header)
        table.add_column(name, justify="right" if numbers else "left")
    for row in listed:
        table.add_row(*map(Text, row))
    return table
