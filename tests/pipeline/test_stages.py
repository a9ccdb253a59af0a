"""The stages in order: where they stop, what they hand on, and what of it can be written down."""

import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from small_models import constant_output, relu_network

from tinyml import zoo
from tinyml.dump import dump_artifact
from tinyml.errors import ModelError, ToolError, UsageError
from tinyml.ir.text import to_text
from tinyml.ir.text_parser import parse
from tinyml.pipeline import STAGES, Compilation, Options, compile_model, need
from tinyml.targets import generic_target

ROOT = Path(__file__).resolve().parent.parent.parent


def options(folder: Path) -> Options:
    return Options(
        model=relu_network(folder / "relu.onnx"),
        board=generic_target("cortex-m4", 64 << 10, 256 << 10),
        work_dir=folder,
        precision="float32",
    )


def test_order() -> None:
    """Model file, Graph, quantized Graph, Schedule, MemoryPlan, sources, firmware, measurement."""
    assert list(STAGES) == ["frontends", "passes", "quantize", "schedule", "memory", "emit", "build", "profile"]


@pytest.mark.parametrize("last", STAGES)
def test_stop_after(tmp_path: Path, last: str) -> None:
    """A stage hands its artifact to the caller as soon as it is made; nothing after the last stage runs."""
    entered: list[str] = []
    made: dict[str, object] = {}
    done = compile_model(
        options(tmp_path), stop_after=last, on_stage=entered.append, on_artifact=lambda s, a: made.update({s: a})
    )
    expected = list(STAGES)[: list(STAGES).index(last) + 1]
    assert entered == list(made) == expected
    for stage, name in STAGES.items():
        assert getattr(done, name) is made.get(stage)


def test_unknown_stage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no stage is called 'link'; expected one of frontends, passes"):
        compile_model(options(tmp_path), stop_after="link")


def test_every_artifact_has_a_written_form(tmp_path: Path) -> None:
    """Graphs parse back, and the rest is JSON, C or firmware."""
    folder = tmp_path / "dump"
    made: dict[str, object] = {}
    done = compile_model(options(tmp_path), on_artifact=lambda s, a: made.update({s: a}))
    paths = {stage: dump_artifact(stage, artifact, folder) for stage, artifact in made.items()}
    assert [path.name for path in paths.values()] == [
        *("1-frontends.txt", "2-passes.txt", "3-quantize.txt", "4-schedule.json", "5-memory.json"),
        *("6-emit", "7-build", "8-profile.json"),
    ]
    for stage, graph in (("frontends", done.source), ("passes", done.graph), ("quantize", need(done.quantized).graph)):
        assert to_text(parse(paths[stage].read_text())) == to_text(need(graph))
    schedule, plan, profile = (json.loads(paths[s].read_text()) for s in ("schedule", "memory", "profile"))
    assert [len(stage["nodes"]) for stage in schedule["stages"]] == [1]
    assert sum(arena["bytes"] for arena in plan["arenas"]) == need(done.plan).peak_bytes
    assert profile["instructions"] > 0
    assert sorted(p.name for p in paths["emit"].iterdir()) == sorted(need(done.bundle).files)
    assert sorted(p.name for p in paths["build"].iterdir()) == ["firmware.bin", "firmware.elf", "firmware.hex"]


def test_outputs_that_no_input_reaches_are_refused(tmp_path: Path) -> None:
    """Detectors are exported with their anchors, which are nothing to compute."""
    given = replace(options(tmp_path), model=constant_output(tmp_path / "anchors.onnx"))
    with pytest.raises(ModelError, match="anchors: an output that is the same whatever the input"):
        compile_model(given, stop_after="frontends")


def test_what_has_no_written_form() -> None:
    with pytest.raises(TypeError, match="stage emit made a int"):
        dump_artifact("emit", 3, Path("never"))


def test_a_stage_before_the_one_that_it_needs_is_our_bug(tmp_path: Path) -> None:
    empty = Compilation(options(tmp_path))
    assert all(getattr(empty, f.name) is None for f in fields(Compilation) if f.name != "options")
    with pytest.raises(RuntimeError, match="a stage ran before"):
        need(empty.plan)


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything up to the C needs none; then the error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert need(compile_model(options(tmp_path), stop_after="emit").bundle).files
    with pytest.raises(ToolError) as caught:
        compile_model(options(tmp_path), stop_after="build")
    assert "neither arm-none-eabi-gcc on the PATH nor the Python package ziglang" in caught.value.what
    assert "python -m pip install ziglang" in str(caught.value.hint) and "gcc-arm-none-eabi" in str(caught.value.hint)


_EVERYTHING = """
import hashlib, sys
from pathlib import Path
from tinyml.pipeline import Options, compile_model
from tinyml.store import build_key
from tinyml.targets import load_board
options = Options(Path(sys.argv[1]), load_board("stm32h7"), Path(sys.argv[2]))
files = compile_model(options, stop_after="emit").bundle.files
print(build_key(options, "cc"), hashlib.sha256(repr(list(files.items())).encode()).hexdigest())
"""


def test_processes_agree(tmp_path: Path) -> None:
    """Neither the sources nor the key of a build depend on the order of sets, which each process has its own."""
    model = zoo.save("ds_cnn", tmp_path / "ds_cnn.onnx")
    said = set()
    for seed in ("1", "3"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", _EVERYTHING, str(model), str(tmp_path)]
        said.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(said) == 1 and len(said.pop().split()) == 2
