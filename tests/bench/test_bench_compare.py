"""Several results side by side."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tinyml.bench.document import SCHEMA_VERSION, BenchReport, Cost, Counts, Latency, Setup
from tinyml.bench.metrics import Score
from tinyml.cli.main import main
from tinyml.report.bench_compare import PRICES, candidates, compare_page, differences, on_front

SETUP = Setup("wake-vision", "m", "0" * 64, "int8", "12 pictures", None, None, 0, "1/1", "squash", "int8", "host")


def result(name: str, accuracy: float, sram: int, flash: int = 1000, ms: float | None = 5.0) -> BenchReport:
    return BenchReport(
        schema_version=SCHEMA_VERSION,
        tinyml_version="1",
        setup=replace(SETUP, model=name),
        counts=Counts(12, 12, 0, 0, 0),
        classes=("no_person", "person"),
        accuracy=Score(accuracy, accuracy - 0.1, accuracy + 0.1),
        class_scores=(),
        confusion=((6, 0), (0, 6)),
        person=None,
        comparison=None,
        latency=None,
        cost=Cost("b", "Board", sram, sram, flash, ms, "modelled", None),
        problems=(),
        worst=(),
        notes=(),
    )


def test_the_front_is_what_nothing_beats() -> None:
    """c is as good as b and larger; d is worse than a and of its size; e equals b in both, so neither beats the other."""
    given = candidates(
        [result("a", 0.7, 10), result("b", 0.8, 20), result("c", 0.8, 30), result("d", 0.6, 10), result("e", 0.8, 20)]
    )
    assert on_front(given, PRICES["peak SRAM"]) == {"a", "b", "e"}
    assert on_front(given, PRICES["flash"]) == {"b", "c", "e"}


def test_measured_latency_comes_before_modelled() -> None:
    measured = replace(result("a", 0.7, 10), latency=Latency("measured", 9, 7.5, 7.0, 8.0))
    modelled = replace(result("b", 0.7, 10), latency=Latency("modelled", 9, 7.5, 7.0, 8.0))
    assert [c.latency_ms for c in candidates([measured, modelled])] == [7.5, 5.0]


def test_models_without_a_cost_are_listed_and_not_drawn() -> None:
    given = candidates([result("a", 0.7, 10), replace(result("b", 0.8, 20), cost=None)])
    page = compare_page(given)
    assert page.count("<svg") == 3 and page.count("<circle") == 3
    assert on_front(given, PRICES["latency"]) == {"a"}


def test_what_is_not_comparable_is_said() -> None:
    other = result("b", 0.8, 20)
    assert differences(candidates([result("a", 0.7, 10), other])) == []
    elsewhere = replace(other, setup=replace(other.setup, limit=5))
    assert differences(candidates([result("a", 0.7, 10), elsewhere])) == ["they were not run on the same pictures"]


@pytest.mark.parametrize("spread", [1.0, 3.0, 1000.0])
def test_marks_lie_inside_the_plot(spread: float) -> None:
    given = candidates([result("a", 0.7, 10_000), result("b", 0.9, int(10_000 * spread))])
    page = compare_page(given)
    for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', page):
        assert 52 <= float(x) <= 436 and 12 <= float(y) <= 232
    first = page[page.index("<svg") : page.index("</svg>")]
    assert len(re.findall(r'text-anchor="middle"', first)) >= 3  # ticks, and the name of the axis


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, accuracy in (("a.tflite", 0.7), ("<b>", 0.8)):
        folder = tmp_path / name.strip("<>")
        folder.mkdir()
        (folder / "report.json").write_text(json.dumps(result(name, accuracy, 2048).to_json()))
    out = tmp_path / "c.html"
    assert main(["bench", "compare", str(tmp_path / "a.tflite"), str(tmp_path / "b"), "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.index("<b>") < printed.index("a.tflite") and "2.0 KiB *" in printed
    assert "&lt;b&gt;" in out.read_text() and "<b>" not in out.read_text()
    assert main(["bench", "compare", str(tmp_path / "b"), "-o", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["peak_sram_bytes"] == 2048
    assert main(["bench", "compare", str(tmp_path / "gone")]) == 2
    (tmp_path / "bad.json").write_text("{}")
    assert main(["bench", "compare", str(tmp_path / "bad.json")]) == 2
    assert "no result of a benchmark" in capsys.readouterr().err
