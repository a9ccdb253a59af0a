"""The result of a benchmark as one HTML page that needs nothing else: no script, no font, no network."""

import base64
import io
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from PIL import Image

from tinyml.bench.data import Dataset
from tinyml.bench.document import BenchReport, PersonScores
from tinyml.bench.metrics import Score, Sweep
from tinyml.bench.pictures import PictureError, decode
from tinyml.report.bench_terminal import comparison_lines, interval, percent
from tinyml.report.page import Tile, render_page
from tinyml.report.plot import Mark, Plot, polyline, ticks, x_axis, y_axis
from tinyml.report.terminal import duration

_THUMBNAIL = (240, 240)
_MOST_CLASSES = 12  # whose confusion fits on a page


def bench_page(report: BenchReport, dataset: Dataset) -> str:
    """Args:
    dataset: that the report is of; its worst pictures are shown.
    """
    person = report.person
    task = "persons found" if person is not None else f"{len(report.classes)} classes told apart"
    memory = "" if report.cost is None else f" in {_kib(report.cost.peak_sram_bytes)} of SRAM"
    context = {
        "setup": report.setup,
        "headline": f"{task}, {percent(report.accuracy.value)} right{memory}",
        "subtitle": f"{report.counts.scored:,} pictures on {report.setup.on}, {report.setup.numbers}",
        "tiles": _tiles(report),
        "cost": report.cost,
        "suites": [] if person is None else _suites(person),
        "recalls": [_row(c.name, c.recall, f"{c.count:,} pictures") for c in report.class_scores],
        "classes": report.classes,
        "confusion": report.confusion if len(report.classes) <= _MOST_CLASSES else None,
        "sweep_plot": None,
        "comparison": report.comparison,
        "comparison_lines": comparison_lines(report.comparison)[:2] if report.comparison else [],
        "worst": _worst(report, dataset),
        "facts": _facts(report),
        "problems": report.problems,
    }
    if person is not None and person.sweep is not None:
        context |= _sweep(person.sweep, person.decision)
    return render_page("bench.html.j2", context)


def _tiles(report: BenchReport) -> list[Tile]:
    tiles = [Tile("Accuracy", percent(report.accuracy.value), f"95 %: {interval(report.accuracy)}")]
    if report.person is not None:
        tiles.append(Tile("F1", percent(report.person.f1.value), f"95 %: {interval(report.person.f1)}"))
    cost, latency = report.cost, report.latency
    if cost is not None:
        tiles.append(Tile("Peak SRAM", _kib(cost.peak_sram_bytes), f"exact, {cost.board}"))
        tiles.append(Tile("Flash", _kib(cost.flash_bytes), f"exact, {cost.board}"))
    if latency is not None and latency.kind == "measured":
        tiles.append(Tile("Latency", duration(latency.median_ms), f"measured, median of {latency.count:,}"))
    elif cost is not None and cost.latency_ms is not None:
        tiles.append(Tile("Latency", duration(cost.latency_ms), f"{cost.latency_kind}, {cost.board}"))
    return tiles


def _kib(size: int) -> str:
    return f"{size / 1024:.1f} KiB" if size < 1 << 20 else f"{size / (1 << 20):.2f} MiB"


def _row(title: str, score: Score, pictures: str) -> dict[str, object]:
    """A score as positions in percent."""
    low, high = score.low or 0.0, score.high or 0.0
    return {
        "title": title,
        "value": None if score.value is None else round(100 * score.value, 2),
        "low": round(100 * low, 2),
        "width": round(100 * (high - low), 2),
        "text": percent(score.value),
        "interval": interval(score),
        "pictures": pictures,
    }


def _suites(person: PersonScores) -> list[tuple[str, list[dict[str, object]]]]:
    return [
        (suite, [_row(s.title, s.f1, f"{s.positive.count:,} / {s.negative.count:,}") for s in scores])
        for suite, scores in groupby(person.fine, key=lambda s: s.suite)
    ]


def _sweep(sweep: Sweep, decision: float) -> dict[str, object]:
    points = sweep.points
    x, y = x_axis(points[0].threshold, points[-1].threshold), y_axis(0.0, 1.0)
    used = min(points, key=lambda p: abs(p.threshold - decision))
    best = sweep.best_accuracy
    percents = ticks(y, "{:.0f} %", 100)
    by_threshold = Plot(
        label="accuracy and F1 by threshold",
        x_name="threshold",
        x_ticks=ticks(x, "{:g}"),
        y_ticks=percents,
        lines=(
            polyline([(p.threshold, p.accuracy) for p in points], x, y, "one"),
            polyline([(p.threshold, p.f1) for p in points], x, y, "two"),
        ),
        marks=(Mark(x.at(used.threshold), y.at(used.accuracy), "as used", below=-10.0),),
    )
    rates = x_axis(0.0, 1.0)
    curve = [(p.false_positive_rate, p.true_positive_rate) for p in points]
    roc = Plot(
        label="true positive rate by false positive rate",
        x_name="false alarms",
        x_ticks=ticks(rates, "{:.0f} %", 100),
        y_ticks=percents,
        lines=(polyline(curve, rates, y, "one"),),
        marks=(Mark(rates.at(used.false_positive_rate), y.at(used.true_positive_rate), "as used"),),
    )
    f1 = sweep.best_f1
    text = (
        f"The dot is the threshold in use, {decision:g}. From {best.threshold:.4g} on, accuracy is {percent(best.accuracy)}; "
        f"from {f1.threshold:.4g} on, F1 is {percent(f1.f1)}: the best there are, and, as chosen on these pictures, "
        f"a little too good. Area under the curve at the right: {sweep.area_under_curve:.3f}."
    )
    return {"sweep_plot": by_threshold, "roc_plot": roc, "sweep_text": text}


def _worst(report: BenchReport, dataset: Dataset) -> list[dict[str, str]]:
    by_index = {w.index: w for w in report.worst}
    images = {s.index: _thumbnail(s.picture) for s in dataset.read(sorted(by_index)) if s.picture is not None}
    return [
        {"key": w.key, "label": w.label, "answer": w.answer, "image": images.get(w.index, "")} for w in report.worst
    ]


def _thumbnail(picture: Any) -> str:
    """A data URL; empty where the picture cannot be decoded any more."""
    try:
        small = decode(picture, 3)
    except PictureError:
        return ""
    small.thumbnail(_THUMBNAIL, Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _facts(report: BenchReport) -> Sequence[tuple[str, str]]:
    setup, counts = report.setup, report.counts
    part = "all" if setup.limit is None else f"{setup.limit:,} drawn with seed {setup.seed}"
    facts = [
        ("model", f"{setup.model}, SHA-256 {setup.model_sha256[:16]}…"),
        ("numbers", setup.numbers),
        ("data", f"{setup.data}{f', split {setup.split}' if setup.split else ''}"),
        ("taken", f"{part}, shard {setup.shard}"),
        ("pictures", setup.preparation),
        ("input", setup.encoding),
        ("ran on", setup.on),
        (
            "counts",
            f"{counts.selected:,} selected = {counts.scored:,} scored + {counts.excluded:,} persons too small to count + "
            f"{counts.unlabelled:,} without label + {counts.unusable:,} unusable",
        ),
    ]
    if report.cost is not None:
        facts.append(("board", report.cost.title))
    if report.latency is not None:
        late = report.latency
        spread = f"median {late.median_ms:.2f} ms, 5 to 95 %: {late.p5_ms:.2f} to {late.p95_ms:.2f} ms"
        facts.append(("latency", f"{late.kind}, {late.count:,} inferences: {spread}"))
    if report.person is not None:
        facts += [(f"column {name}", f"empty for {n:,} pictures") for name, n in report.person.unknown.items()]
    facts += [("note", note) for note in report.notes]
    facts.append(("tinyml", report.tinyml_version))
    return facts
