"""`tinyml profile`: what it prints, writes and compares, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tinyml.build.firmware import build_firmware
from tinyml.build.image import FirmwareImage
from tinyml.build.toolchain import find_toolchain
from tinyml.cli.main import main
from tinyml.device.client import Client
from tinyml.device.emulator import EmulatedBoard
from tinyml.device.qemu import PROGRAM
from tinyml.pipeline import Options, compile_model
from tinyml.profile import measure_emulated, measure_served, profile_emulated, samples
from tinyml.profile.measurement import Inference, LayerProfile, Measurement, ObservedMemory, firmware_of
from tinyml.report.profile import ProfileDocument, compare
from tinyml.report.profile_page import profile_page
from tinyml.targets import generic_target

pytestmark = pytest.mark.emulated

Build = Callable[..., FirmwareImage]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zoo") / "kws.onnx"
    assert main(["zoo", "ds_cnn", "-o", str(path), "-q"]) == 0
    return path


@pytest.fixture(scope="module")
def built(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "kws"
    assert main(["build", "--board", "stm32h7", "-o", str(folder), "-q", str(model)]) == 0
    return folder


def profile_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, object]:
    assert main(["profile", "--json", *map(str, arguments)]) == 0
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


def test_figures_add_up(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = ProfileDocument.from_json(profile_json(capsys, built, "--runs", "3"))
    report = json.loads((built / "report.json").read_text())
    assert len(document.runs) == 3 and document.median in document.runs
    assert document.kinds.instructions == "counted" and document.kinds.cycles == "modelled"
    # The first input is that of the build.
    assert document.runs[0].instructions == report["latency"]["instructions"]
    assert document.macs == sum(layer.macs for layer in document.layers) == report["model"]["macs"]
    assert document.median.cycles is not None and document.clock_hz == 480_000_000
    assert document.median.ms == pytest.approx(document.median.cycles / 480_000)
    # What the run function does between layers is 1 % at most.
    assert 0.99 < sum(layer.share or 0 for layer in document.layers) < 1
    for layer in document.layers:
        assert layer.cycles and layer.macs_per_cycle == pytest.approx(layer.macs / layer.cycles)
    memory = document.memory
    assert memory.arena_observed == memory.arena_planned == report["memory"]["arena_bytes"]
    assert memory.stack_bound is not None and memory.stack_observed <= memory.stack_bound
    assert memory.peak_observed == memory.arena_observed + memory.stack_observed + memory.static_bytes
    assert memory.peak_planned == memory.arena_planned + memory.stack_bound + memory.static_bytes


def test_people_see_a_table_and_what_changed(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = profile_json(capsys, built, "--runs", "1")
    document["layers"][2]["cycles"] *= 2  # type: ignore[index]
    (tmp_path / "earlier.json").write_text(json.dumps(document))
    monkeypatch.setenv("COLUMNS", "180")
    page = tmp_path / "page.html"
    arguments = ["--runs", "1", "--compare", str(tmp_path / "earlier.json"), "--html", str(page)]
    assert main(["profile", str(built), *arguments]) == 0
    text = capsys.readouterr().out
    assert "in the emulator: 1 inference after 1 to warm up" in text
    assert "modelled at 480 MHz" in text and "counted" in text and "silicon takes" in text
    assert "conv2d" in text and "MACs/cycle" in text
    assert "-50.00 %" in text and "as before" in text
    assert page.read_text().startswith("<!doctype html>")


def test_a_model_file_is_built_first(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = profile_json(capsys, model, "--target", "cortex-m0", "--runs", "1", "--warm-up", "0")
    assert document["kinds"] == {"instructions": "counted", "cycles": "modelled"}
    assert document["median"]["ms"] is None  # type: ignore[index]


@pytest.mark.qemu
@pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"{PROGRAM} is not installed")
def test_in_qemu_memory_is_observed_and_time_is_not(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = profile_json(capsys, model, "--board", "qemu_mps2_an386", "--on", "qemu", "--runs", "1")
    assert document["kinds"] == {"instructions": "none", "cycles": "none"}
    memory = ProfileDocument.from_json(document).memory
    assert memory.arena_observed == memory.arena_planned
    assert memory.stack_bound is not None and memory.stack_observed <= memory.stack_bound


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nowhere"], 2, "nowhere: no such folder"),
        (["EMPTY"], 2, "has no report.json"),
        (["STALE"], 2, "firmware.elf is not the one that report.json describes"),
        (["OLD"], 2, "report.json cannot be read"),
        (["BUILT", "--on", "qemu"], 1, "QEMU has no model of ST NUCLEO"),
        (["BUILT", "--on", "/dev/no-such-port"], 1, "there is no port /dev/no-such-port"),
        (["BUILT", "--runs", "0"], 2, "--runs 0: expected 1 to 10000"),
        (["BUILT", "--warm-up", "-1"], 2, "--warm-up -1"),
        (["BUILT", "--precision", "float32"], 2, "--precision: "),
        (["BUILT", "--compare", "nowhere.json"], 2, "--compare nowhere.json"),
        (["BUILT", "--compare", "REPORT"], 2, "expected what `tinyml profile --json` printed"),
        (["MODEL", "--board", "host"], 2, "host takes no firmware"),
        (["MODEL", "--board", "qemu_mps3_an547"], 1, "the emulator cannot run cortex-m55"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_mistakes(
    model: Path, built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    arguments: list[str], code: int, says: str,
) -> None:  # fmt: skip
    empty, stale, old = (tmp_path / name for name in ("empty", "stale", "old"))
    empty.mkdir()
    shutil.copytree(built, stale)
    (stale / "firmware.elf").write_bytes((stale / "firmware.elf").read_bytes().replace(_plan(built), b"0" * 64))
    shutil.copytree(built, old)
    (old / "report.json").write_text('{"schema_version": 0}')
    paths = {
        "EMPTY": empty,
        "STALE": stale,
        "OLD": old,
        "BUILT": built,
        "MODEL": model,
        "REPORT": built / "report.json",
    }
    assert main(["profile", *(str(paths.get(a, a)) for a in arguments)]) == code
    printed = capsys.readouterr()
    assert says in printed.err and "Traceback" not in printed.err and printed.out == ""


def _plan(built: Path) -> bytes:
    plan: str = json.loads((built / "report.json").read_text())["model"]["plan_sha256"]
    return plan.encode()


# -- what is observed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [0xA5, 0x5A, 0xC5, 0x00])
def test_a_byte_that_looks_like_paint_is_seen(build_net: Build, written: int) -> None:
    """The arena has 256 bytes, of which the network uses 200; its last byte becomes what an arena is painted with."""
    assert profile_emulated(build_net("nucleo_h743zi")).arena_bytes == 200
    image = build_net("nucleo_h743zi", f"net->arena[255] = {written};\n")
    assert profile_emulated(image).arena_bytes == 256


SMALL = (
    "mlperf_tiny/ad01_int8", "mlperf_tiny/kws_dscnn_int8", "mlperf_tiny/ic_resnet8_int8", "mlperf_tiny/vww_96_int8",
    "tflite_micro/hello_world_int8", "tflite_micro/keyword_scrambled_8bit", "tflite_micro/micro_speech_quantized",
    "tflite_micro/person_detect", "wake_vision/mcunet-vww0", "wake_vision/colabnas-k8c5", "wake_vision/challenge-hallaq",
)  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_what_is_used_of_the_arena_is_what_was_planned(shared: Path, tmp_path: Path, name: str) -> None:
    for core in ("cortex-m7", "cortex-m3") if name == SMALL[1] else ("cortex-m7",):
        board = generic_target(core, 1 << 20, 1 << 20)
        done = compile_model(Options(shared / "models" / f"{name}.tflite", board, tmp_path), stop_after="build")
        assert done.image is not None and done.plan is not None
        assert profile_emulated(done.image).arena_bytes == done.plan.peak_bytes


def test_the_emulator_profiles_from_outside(build_net: Build, net_inputs: list[bytes]) -> None:
    """The board's own cycle counter reads the same whether layers are watched or not."""
    image = build_net("nucleo_h743zi")
    own = []
    for watch in ((), ("net_run", "net_layer_00_add", "net_layer_01_sums")):
        client = Client(EmulatedBoard(image.elf, image.board, watch=watch))
        client.connect()
        for index, data in enumerate(net_inputs):
            client.put(index, data)
        own.append(client.run().cycles)
    assert own[0] == own[1]


def test_tracing_costs_less_than_one_percent_and_the_plain_build_nothing(shared: Path, tmp_path: Path) -> None:
    path = shared / "models" / "mlperf_tiny" / "ad01_int8.tflite"  # the smallest but for one that takes 2000 cycles
    board = generic_target("cortex-m4", 1 << 18, 1 << 20)
    plain = compile_model(Options(path, board, tmp_path / "plain"), stop_after="build").image
    assert plain is not None
    traced = build_firmware(plain.bundle, board, find_toolchain(None), tmp_path / "traced", traced=True)
    cycles = {}
    for name, image in (("plain", plain), ("traced", traced)):
        firmware = firmware_of(image)
        client = Client(EmulatedBoard(image.elf, board))
        client.connect()
        done = measure_served(client, firmware, samples(firmware.interface, 1), 0, has_clock=True)
        inference = done.median
        assert inference.cycles is not None
        cycles[name] = inference.cycles
        assert len(inference.layers) == (len(firmware.layers) if name == "traced" else 0)
        if inference.layers:
            spent = sum(layer.cycles or 0 for layer in inference.layers)
            assert 0.99 * inference.cycles < spent <= inference.cycles
    assert cycles["plain"] < cycles["traced"] < 1.01 * cycles["plain"]
    program = EmulatedBoard(plain.elf, board).program
    assert not any("trace" in symbol or symbol == "command_layers" for symbol in program.symbols)
    # A generic target's memory is as fast as its core, so that the two clocks tell the same.
    watched = measure_emulated(firmware_of(plain), samples(firmware_of(plain).interface, 1)).median
    assert watched.cycles == pytest.approx(cycles["plain"], rel=1e-3)


# -- documents -------------------------------------------------------------------------------------------------------


def test_the_median_is_an_inference_that_was() -> None:
    runs = tuple(Inference(1, cycles, (LayerProfile("a", 1, cycles),)) for cycles in (9, 5, 7, 6))
    done = Measurement(runs, 1000, ObservedMemory(1, 1), ())
    assert done.median.cycles == 6  # of 5 6 7 9 the lower of the middle two
    assert done.ms(6) == 6.0


def test_changes_are_paired_by_source_and_by_order() -> None:
    before = _document([("A", 10, 100), ("B", 20, 200), ("B", 30, 300)])
    now = _document([("B", 20, 190), ("B", 35, 330), ("C", 1, 2)])
    changes, unit = compare(before, now)
    assert unit == "cycles"
    assert [(c.what, c.before, c.now) for c in changes[6:]] == [
        ("B", 200, 190), ("B", 300, 330), ("C", None, 2), ("A", 100, None),
    ]  # fmt: skip
    measured = ProfileDocument.from_json(
        before.to_json() | {"kinds": {"instructions": "counted", "cycles": "measured"}}
    )
    changes, unit = compare(measured, now)
    assert unit == "instructions" and (changes[6].before, changes[6].now) == (20, 20)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        loaded = [value or "" for name, value in attrs if name in ("src", "href")]
        assert all(value.startswith("data:") for value in loaded), "the page loads something"
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_names_of_layers_are_text() -> None:
    name = "<script>alert('x')</script>"
    parser = _Tags()
    page = profile_page(_document([(name, 10, 100), ("B & Co", 20, 200)]), "a <board>")
    parser.feed(page)
    assert parser.open == []
    assert "script" not in parser.tags
    assert parser.tags.count("rect") == 4  # two bars, two steps
    assert "B &amp; Co" in page and "a &lt;board&gt;" in page


def _document(layers: list[tuple[str, int, int]]) -> ProfileDocument:
    """(source, instructions, cycles) of each layer."""
    total = {"instructions": sum(i for _, i, _ in layers), "cycles": sum(c for _, _, c in layers), "ms": None}
    return ProfileDocument.from_json(
        {
            "schema_version": 1, "tinyml_version": "0", "model": "m", "sha256": "0", "board": "b", "core": "c",
            "place": "emulator", "clock_hz": None, "kinds": {"instructions": "counted", "cycles": "modelled"},
            "macs": 1, "warm_up": 0, "median": total, "least": total, "most": total, "runs": [total],
            "layers": [
                {
                    "function": f"f{i}", "name": f"n{i}", "op": "add", "source": source, "shape": [1, 2], "kernel": "k",
                    "macs": 0, "instructions": instructions, "cycles": cycles, "waits": None, "ms": None,
                    "macs_per_cycle": None, "share": cycles / total["cycles"], "live_bytes": 10,
                }
                for i, (source, instructions, cycles) in enumerate(layers)
            ],
            "memory": {
                "arena_planned": 10, "arena_observed": 10, "stack_bound": 9, "stack_observed": 8, "static_bytes": 1,
                "peak_planned": 20, "peak_observed": 19,
            },
        }
    )  # fmt: skip
