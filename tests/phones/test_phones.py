"""The emitted C as a library for phones: what it needs, what it computes in QEMU's user mode, and the way over adb."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from tinyml import zoo
from tinyml.build.host import HostModel, build_host_library
from tinyml.build.library import Library, build_library
from tinyml.build.toolchain import find_toolchain, run_tool
from tinyml.cli import main as cli
from tinyml.device.programs import Times, benchmark
from tinyml.errors import ToolError, UsageError
from tinyml.pipeline import Compilation, Options, compile_model, need
from tinyml.targets import load_board
from tinyml.verification import random_inputs

BOARDS = ("android-arm64", "linux-arm64")


@dataclass(frozen=True)
class Phone:
    done: Compilation
    library: Library
    inputs: list[bytes]
    expected: bytes

    def run(self, place: str, runs: int = 1) -> bytes:
        found = benchmark(self.library.benchmark, self.done.options.board.core, place, self.inputs, runs)
        assert found.times.plan == need(self.done.bundle).sha256
        return found.outputs


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zoo.save("ds_cnn", tmp_path_factory.mktemp("phones") / "ds_cnn.onnx")


@pytest.fixture(scope="module", params=BOARDS)
def phone(request: pytest.FixtureRequest, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Phone:
    """A build, inputs, and what the C gives for them on this machine."""
    folder = tmp_path_factory.mktemp("build")
    done = compile_model(Options(model, load_board(request.param), folder), stop_after="emit")
    sample = random_inputs(need(done.schedule).graph, 7)
    inputs = [np.ascontiguousarray(array).tobytes() for array in sample.values()]
    bundle = need(done.bundle)
    here = HostModel(build_host_library(bundle, folder / "host", trace=False)).run(inputs)
    return Phone(done, build_library(bundle, done.options.board, folder / "library"), inputs, b"".join(here))


@pytest.fixture
def qemu() -> None:
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("qemu-aarch64 is not installed (Debian: qemu-user)")


def members(archive: Path) -> Iterator[bytes]:
    """The files of an archive, without its index and its table of names (the format of System V)."""
    data = archive.read_bytes()
    assert data[:8] == b"!<arch>\n"
    at = 8
    while at < len(data):
        name, size = data[at : at + 16].rstrip(), int(data[at + 48 : at + 58])
        if name not in (b"/", b"//"):
            yield data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2


def test_the_library_asks_for_three_functions(phone: Phone) -> None:
    given: set[str] = set()
    wanted: set[str] = set()
    for member in members(phone.library.archive):
        elf = ELFFile(io.BytesIO(member))
        assert elf.get_machine_arch() == "AArch64"
        symbols = elf.get_section_by_name(".symtab")
        for symbol in symbols.iter_symbols():
            if symbol["st_info"]["bind"] == "STB_GLOBAL":
                (wanted if symbol["st_shndx"] == "SHN_UNDEF" else given).add(symbol.name)
        kept = [s.name for s in elf.iter_sections() if s["sh_size"] and s.name.startswith((".data", ".bss"))]
        assert all(name.startswith(".data.rel.ro") for name in kept), kept  # constant, but for where it is loaded
    assert {"ds_cnn_init", "ds_cnn_input", "ds_cnn_run", "ds_cnn_output"} <= given
    assert wanted - given <= {"memcpy", "memmove", "memset"}


def test_it_computes_the_hosts_bytes(phone: Phone, qemu: None) -> None:
    assert phone.run("qemu", runs=2) == phone.expected


def test_the_same_inputs_give_the_same_files(phone: Phone, tmp_path: Path) -> None:
    again = build_library(need(phone.done.bundle), phone.done.options.board, tmp_path)
    assert again.archive.read_bytes() == phone.library.archive.read_bytes()
    assert again.benchmark.read_bytes() == phone.library.benchmark.read_bytes()


def test_an_application_of_its_own(model: Path, tmp_path: Path, qemu: None) -> None:
    """The folder that `tinyml build` writes: a header and a library are all that a program needs."""
    out = tmp_path / "out"
    assert cli.main(["build", "--board", "linux-arm64", str(model), "-o", str(out), "-q"]) == 0
    (out / "main.c").write_text(
        '#include "ds_cnn.h"\nstatic uint8_t arena[DS_CNN_ARENA_BYTES] __attribute__((aligned(DS_CNN_ARENA_ALIGN)));\n'
        "int main(void) { ds_cnn_t net; ds_cnn_init(&net, arena); ds_cnn_run(&net); return ds_cnn_output(&net) == 0; }\n"
    )
    zig = find_toolchain("ziglang").command
    flags = ["-DTINYML_ALLOW_UNCALIBRATED", "-Wall", "-Werror", "main.c", "libds_cnn.a", "-o", "app"]
    run_tool([*zig, "cc", "-target", "aarch64-linux-musl", "-static", *flags], out)
    subprocess.run(["qemu-aarch64", str(out / "app")], check=True)


@pytest.fixture
def adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a fake one first on the PATH; the folder that is its phone."""
    if sys.platform == "win32":
        pytest.skip("the fake adb is a script that only POSIX systems start")
    program = tmp_path / "bin" / "adb"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{Path(__file__).with_name('fake_adb.py').read_text()}")
    program.chmod(0o755)
    root = tmp_path / "phone"
    root.mkdir()
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("FAKE_ADB_ROOT", str(root))
    return root


def test_over_adb(phone: Phone, adb: Path, qemu: None) -> None:
    assert phone.run("adb") == phone.run("adb:PHONE1") == phone.expected
    folder = "/data/local/tmp/tinyml-k3Yz09"
    calls = [json.loads(line) for line in (adb / "calls").read_text().splitlines()]
    local = [call[3] for call in calls if call[2:3] == ["push"]]
    pulled = next(call[4] for call in calls if call[2:3] == ["pull"])
    on = ["-s", "PHONE1"]
    assert calls[: len(calls) // 2] == [
        ["devices"],
        [*on, "shell", "mktemp -d /data/local/tmp/tinyml-XXXXXX"],
        [*on, "push", local[0], f"{folder}/inputs.bin"],
        [*on, "push", str(phone.library.benchmark), f"{folder}/benchmark"],
        [*on, "shell", f"chmod 755 {folder}/benchmark"],
        [*on, "shell", f"{folder}/benchmark 1 {folder}/inputs.bin {folder}/outputs.bin"],
        [*on, "pull", f"{folder}/outputs.bin", pulled],
        [*on, "shell", f"rm -r {folder}"],
    ]
    assert list((adb / "data" / "local" / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("listed", "place", "said"),
    [
        ("", "adb", "no phone is ready; adb sees: none"),
        ("A\tunauthorized", "adb", r"adb sees: A \(unauthorized\)"),
        ("A\tdevice\nB\tdevice", "adb", "there are several phones: A, B"),
        ("A\tdevice", "adb:B", "no phone B is ready"),
    ],
)
def test_no_phone(phone: Phone, adb: Path, monkeypatch: pytest.MonkeyPatch, listed: str, place: str, said: str) -> None:
    monkeypatch.setenv("FAKE_ADB_DEVICES", listed)
    with pytest.raises(ToolError, match=said):
        phone.run(place)


def test_what_cannot_run(phone: Phone, monkeypatch: pytest.MonkeyPatch, qemu: None) -> None:
    core, program = phone.done.options.board.core, phone.library.benchmark
    with pytest.raises(ToolError, match=r"failed \(exit 1\): benchmark: these are not the inputs' bytes"):
        benchmark(program, core, "qemu", [phone.inputs[0][1:]], 1)
    with pytest.raises(UsageError, match="runs no programs of this machine"):
        benchmark(program, load_board("host").core, "qemu", phone.inputs, 1)
    monkeypatch.setenv("PATH", "")
    for place, tool in (("qemu", "qemu-aarch64"), ("adb", "adb")):
        with pytest.raises(ToolError, match=f"{tool} is not installed"):
            benchmark(program, core, place, phone.inputs, 1)


def test_the_verb_beside_litert(shared: Path, capsys: pytest.CaptureFixture[str], qemu: None) -> None:
    model = shared / "models" / "mlperf_tiny" / "kws_dscnn_int8.tflite"
    assert cli.main(["bench", "phone", str(model), "--runs", "3", "--json"]) == 0
    ours, reference, xnnpack = json.loads(capsys.readouterr().out)["rows"]
    assert (ours["where"], ours["time"], ours["agreement"]["differing"]) == ("qemu", "meaningless", 0)
    assert (reference["time"], reference["agreement"]["differing"]) == ("measured", 0)
    assert reference["latency_ms"][0] > 0 and xnnpack["agreement"]["largest"] <= 1
    assert ours["agreement"]["total"] == xnnpack["agreement"]["total"] == 4 * 12


def test_a_phone_that_answers_wrong(
    model: Path, adb: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], qemu: None
) -> None:
    monkeypatch.setenv("FAKE_ADB_LIES", "1")
    flags = ["--on", "adb", "--board", "linux-arm64", "--runs", "1", "--allow-uncalibrated", "-q"]
    assert cli.main(["bench", "phone", str(model), *flags]) == 4
    assert "the C at adb differs from the reference in 4 of 48 elements" in capsys.readouterr().err


def test_times_of_this_machine(model: Path, tmp_path: Path) -> None:
    done = compile_model(Options(model, load_board("host"), tmp_path), stop_after="emit")
    library = build_library(need(done.bundle), done.options.board, tmp_path / "library")
    sample = random_inputs(need(done.schedule).graph, 0)
    found = benchmark(library.benchmark, done.options.board.core, "here", [sample["input"].tobytes()], 9).times
    assert found == Times("ds_cnn", need(done.bundle).sha256, 9, found.median_ns, found.least_ns, found.most_ns)
    assert 0 < found.least_ns <= found.median_ns <= found.most_ns


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--board", "stm32h7"], 2, "takes firmware, no programs"),
        (["--on", "moon"], 2, "expected here, qemu, adb or adb:SERIAL"),
        (["--runs", "0"], 2, "expected 1 or more"),
        ([], 2, "quantized without calibration data"),
    ],
)
def test_mistakes(model: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int, said: str) -> None:
    assert cli.main(["bench", "phone", str(model), *flags]) == code
    assert said in capsys.readouterr().err
