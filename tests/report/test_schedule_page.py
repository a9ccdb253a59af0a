"""`tinyml analyze --schedule`: what is printed, drawn, and meant by it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from browser import show

from tinyml import zoo
from tinyml.cli.main import main
from tinyml.memory.plan import BufferKind
from tinyml.pipeline import Options, compile_model, need
from tinyml.report.analysis import schedule_tradeoffs
from tinyml.report.arena_plot import memory_plot
from tinyml.schedule.model import Objective
from tinyml.targets import load_board, with_limits

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zoo.save("mobilenet_v1", tmp_path_factory.mktemp("model") / "net<1>.onnx", resolution=48)


@pytest.fixture(scope="module")
def drawn(model: Path) -> Path:
    """A folder with front.svg and schedule.html."""
    folder = model.parent
    files = ["--svg", str(folder / "front.svg"), "--html", str(folder / "schedule.html")]
    assert main(["analyze", "--schedule", "-q", "--board", "stm32f4", *files, str(model)]) == 0
    return folder


def test_the_front_is_a_drawing(drawn: Path) -> None:
    text = (drawn / "front.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg" and "var(" not in text  # which few programs but browsers know
    texts = [element.text or "" for element in root.iter(f"{SVG}text")]
    for objective in ("latency", "balanced", "sram"):
        assert sum(re.search(rf"\b{objective}\b.*: [\d.]+ KiB", text) is not None for text in texts) == 1
    assert any("stm32f4: 128.0 KiB for the arena" in text for text in texts)
    circles = [circle for circle in root.iter(f"{SVG}circle") if circle.find(f"{SVG}title") is not None]
    labels = [text for text in texts if " KiB" in text and "arena" not in text]
    assert len(labels) == len(circles) > 2


def test_the_page_needs_nothing_else_and_shows_every_buffer(drawn: Path, model: Path) -> None:
    page = (drawn / "schedule.html").read_text(encoding="utf-8")
    assert "<script" not in page and "net&lt;1&gt;.onnx" in page and "net<1>" not in page
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', page) == []
    done = compile_model(Options(model, load_board("stm32f4"), drawn / "work"), stop_after="memory")
    assert page.count('<g class="block">') == len(need(done.plan).placements)
    for name in need(done.plan).placements:
        assert name in page
    for figure in ElementTree.fromstring(f"<all>{''.join(re.findall(r'<svg.*?</svg>', page, re.DOTALL))}</all>"):
        assert figure.tag == "svg"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(drawn: Path, tmp_path: Path, width: int) -> None:
    shown = show((drawn / "schedule.html").read_text(encoding="utf-8"), width, tmp_path)
    assert shown.console == [] and shown.needs <= shown.has == width


def test_a_limit_takes_the_fastest_that_fits(model: Path, tmp_path: Path) -> None:
    """What the table says about --sram is what builds do: none slower than a schedule that fits there. Without kernels of
    larger weights, of which a build for the fewest cycles may have fewer."""
    board = load_board("stm32f4")
    options = Options(model, board, tmp_path, weights_growth=0.0)
    front = schedule_tradeoffs(compile_model(options, stop_after="memory")).front
    assert [t.arena_bytes for t in front] == sorted(t.arena_bytes for t in front)
    assert sum(t.built for t in front) == 1 and any("balanced" in t.objectives and t.built for t in front)
    for t in (front[0], front[-2]):
        limit = with_limits(board, t.limit_bytes, None)
        limited = Options(model, limit, tmp_path, objective=Objective.LATENCY, sram_limited=True, weights_growth=0.0)
        done = compile_model(limited, stop_after="memory")
        built = next(other for other in schedule_tradeoffs(done).front if other.built)
        assert need(done.plan).peak_bytes <= built.arena_bytes <= t.limit_bytes - 1024
        assert built.cycles <= t.cycles


def test_people_see_what_each_objective_takes(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["analyze", "--schedule", "--board", "stm32f4", str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = lines[lines.index("schedules that no other beats in both SRAM and cycles") + 1 :]
    assert max(map(len, lines)) <= 80
    assert sum("<- " in line and "balanced" in line for line in table) == 1
    assert sum(bool(re.search(r"\blatency\b", line)) for line in table) == 1


def test_a_limit_is_heeded(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The analysis is of what a build with these flags would be."""
    assert main(["analyze", "--schedule", "--json", "--board", "stm32f4", "--sram", "11K", str(model)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["arena_bytes"] <= 10 << 10 and document["boards"][0]["sram_bytes"] == 10 << 10
    built = [t for t in document["schedules"] if t["built"]]
    assert len(built) == 1 and built[0]["objectives"][0] == "latency"


@pytest.mark.parametrize("flag", ["--svg", "--html"])
def test_drawings_are_of_schedules(model: Path, capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert main(["analyze", flag, "x", str(model)]) == 2
    assert "add --schedule" in capsys.readouterr().err


def test_several_arenas_are_drawn_one_below_the_other(model: Path, tmp_path: Path) -> None:
    plan = need(compile_model(Options(model, load_board("stm32f4"), tmp_path), stop_after="memory").plan)
    (arena,) = plan.arenas
    fast = {name for name, placed in plan.placements.items() if placed.buffer.kind is BufferKind.SCRATCH}
    split = replace(
        plan,
        arenas=(arena, replace(arena, name="fast", region="ccm")),
        placements={n: replace(p, arena="fast") if n in fast else p for n, p in plan.placements.items()},
    )
    one, both = memory_plot(plan), memory_plot(split)
    assert [a.title for a in one.arenas] == [None] and both.arenas[1].title is not None
    assert "fast in ccm" in both.arenas[1].title and both.arenas[0].top < both.arenas[1].top < both.names_top
    assert [len(a.drawn) for a in both.arenas] == [len(plan.placements) - len(fast), len(fast)]
    assert both.height > one.height
