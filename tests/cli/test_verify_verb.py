"""Verification finds the layer that is wrong, and says so."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from emitted_c import calibration, noise
from served_board import served

from tinyml import zoo
from tinyml.build.files import write_tree
from tinyml.build.firmware import build_firmware
from tinyml.build.image import FirmwareImage
from tinyml.build.toolchain import find_toolchain
from tinyml.cli import main as cli
from tinyml.cli.verify import explain, tracer
from tinyml.errors import ToolError
from tinyml.pipeline import Compilation, Options, compile_model, need
from tinyml.schedule.model import Objective
from tinyml.targets import load_board
from tinyml.verification import random_inputs, verify_layers


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Compilation:
    folder = tmp_path_factory.mktemp("verify")
    model = zoo.save("autoencoder", folder / "autoencoder.onnx")
    return compile_model(Options(model=model, board=load_board("stm32h7"), work_dir=folder), stop_after="emit")


def corrupted(done: Compilation, layer: int) -> Compilation:
    """The same build, but one layer leaves one bit of its output wrong, as a wrong kernel might."""
    bundle = need(done.bundle)
    source = bundle.files[f"{bundle.name}.c"]
    start = source.index(f"{bundle.layers[layer].function}(const")
    end = source.index("\n    AFTER_LAYER(", start)
    value = bundle.layers[layer].outputs[0]
    last = value.offset + value.rows * value.row_bytes - 1
    wrong = f"{source[:end]}\n    net->arena[{last}] ^= 1;{source[end:]}"
    # A folder of its own: a library that a process has loaded stays loaded under its path.
    options = replace(done.options, work_dir=done.options.work_dir / f"wrong-{layer}")
    files = {**bundle.files, f"{bundle.name}.c": wrong}
    return replace(done, options=options, bundle=replace(bundle, files=files))


def test_all_layers_agree(done: Compilation) -> None:
    samples = [random_inputs(need(done.schedule).graph, seed) for seed in range(3)]
    with tracer(done, "host") as trace:
        result = verify_layers(done, "host", trace, samples)
    assert result.difference is None
    assert result.runs == 3 and result.bytes_compared == 3 * sum(
        o.rows * o.row_bytes for x in need(done.bundle).layers for o in x.outputs
    )


@pytest.mark.parametrize("layer", [0, 3, 9])
def test_the_first_wrong_layer_is_named(done: Compilation, layer: int) -> None:
    wrong = corrupted(done, layer)
    with tracer(wrong, "host") as trace:
        result = verify_layers(wrong, "host", trace, [random_inputs(need(done.schedule).graph, 0)])
    assert result.difference is not None and result.difference.layer == layer
    text = explain(result)
    assert f"layer {layer:02d} (fully_connected" in text and "host" in text and "expected" in text


def test_c_that_somebody_changed(done: Compilation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other weights in layer 4: all before it agree."""
    model, sources = str(done.options.model), tmp_path / "src"
    write_tree(sources, need(done.bundle).files)
    command = ["verify", model, "--on", "host", "--runs", "1", "--allow-uncalibrated", "--sources", str(sources)]
    assert cli.main(command) == 0
    weights = sources / "autoencoder_weights.c"
    before, name, after = weights.read_text().partition("autoencoder_04_weights")
    first, line, rest = after.partition("\n")
    numbers, end, others = rest.partition("};")
    weights.write_text(before + name + first + line + re.sub(r"-?\d+", "7", numbers) + end + others)
    assert cli.main(command) == 4
    said = capsys.readouterr().err
    assert "first in layer 04 (fully_connected" in said and f"see what was changed in {sources}" in said
    weights.unlink()
    assert cli.main(command) == 2
    assert "expected a copy of src/" in capsys.readouterr().err


# Over a serial line ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compilation:
    """A network of several kernels."""
    folder = tmp_path_factory.mktemp("serial")
    model = zoo.save("ds_cnn", folder / "ds_cnn.onnx")
    # Whole maps: what lives in rings of lines cannot be read over a serial line.
    options = Options(
        model,
        load_board("stm32h7"),
        folder,
        calibration=calibration(model, folder),
        objective=Objective.LATENCY,
    )
    return compile_model(options, stop_after="emit")


def with_wrong_kernel(done: Compilation, layer: int) -> Compilation:
    """The kernel of a layer flips the lowest bit of its first output byte."""
    bundle = need(done.bundle)
    symbol = bundle.layers[layer].kernel
    path = next(p for p in bundle.sources if re.search(rf"^void {symbol}\(", bundle.files[p], re.MULTILINE))
    parameters = re.search(rf"^void {symbol}\(([^)]*)\)", bundle.files[path], re.MULTILINE)
    assert parameters is not None
    names = re.findall(r"(\w+)(?:,|$)", parameters[1])
    right = bundle.files[path].replace(f"void {symbol}(", f"void {symbol}_right(")
    wrong = f"""{right}
void {symbol}({parameters[1]})
{{
    {symbol}_right({", ".join(names)});
    *(int8_t *){names[2]}->base ^= 1;
}}
"""
    return replace(done, bundle=replace(bundle, files={**bundle.files, path: wrong}))


def traced_firmware(done: Compilation, folder: Path, board: str = "stm32h7", *, traced: bool = True) -> FirmwareImage:
    return build_firmware(need(done.bundle), load_board(board), find_toolchain("ziglang"), folder, traced=traced)


@pytest.mark.emulated
def test_over_a_serial_line_all_layers_agree(compiled: Compilation, tmp_path: Path) -> None:
    samples = [random_inputs(need(compiled.schedule).graph, seed) for seed in range(2)]
    with (
        served(traced_firmware(compiled, tmp_path)) as address,
        tracer(compiled, address) as trace,
    ):
        result = verify_layers(compiled, address, trace, samples)
    assert result.difference is None
    assert result.bytes_compared == 2 * sum(
        o.rows * o.row_bytes for layer in need(compiled.bundle).layers for o in layer.outputs
    )


@pytest.mark.emulated
@pytest.mark.parametrize("layer", [0, 1, 2, 9, 10])
def test_over_a_serial_line_a_wrong_kernel_is_named(compiled: Compilation, tmp_path: Path, layer: int) -> None:
    wrong = with_wrong_kernel(compiled, layer)
    layers = need(wrong.bundle).layers
    first = next(x.index for x in layers if x.kernel == layers[layer].kernel)
    with served(traced_firmware(wrong, tmp_path)) as address, tracer(wrong, address) as trace:
        result = verify_layers(wrong, address, trace, [random_inputs(need(compiled.schedule).graph, 0)])
    difference = result.difference
    assert difference is not None
    assert (difference.layer, difference.kernel) == (first, layers[layer].kernel)
    assert (difference.elements, difference.largest) == (1, 1.0) and not any(difference.position)
    assert address in explain(result)


@pytest.mark.qemu
def test_in_qemu_a_wrong_kernel_is_named(compiled: Compilation, tmp_path: Path) -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    board = load_board("qemu_mps2_an500")
    for done, expected in ((compiled, None), (with_wrong_kernel(compiled, 1), 1)):
        image = traced_firmware(done, tmp_path / str(expected), board.id)
        done = replace(done, options=replace(done.options, board=board), image=image)
        with tracer(done, "qemu") as trace:
            result = verify_layers(done, "qemu", trace, [random_inputs(need(done.schedule).graph, 0)])
        assert (result.difference and result.difference.layer) == expected


@pytest.mark.emulated
def test_other_firmware_at_the_port_is_refused(
    compiled: Compilation, done: Compilation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(traced_firmware(done, tmp_path / "a")) as address:
        with pytest.raises(ToolError, match="runs autoencoder, not ds_cnn"), tracer(compiled, address):
            pass
        with pytest.raises(ToolError, match="runs another build of it"), tracer(corrupted(done, 0), address):
            pass
    with served(traced_firmware(done, tmp_path / "b", traced=False)) as address:
        with pytest.raises(ToolError, match="without --trace"), tracer(done, address):
            pass
        # `run` needs no trace.
        arguments = ["--on", address, "--allow-uncalibrated", "--json", "--seed", "3"]
        assert cli.main(["run", str(done.options.model), *arguments]) == 0
        board = json.loads(capsys.readouterr().out)
        arguments[1] = "host"
        assert cli.main(["run", str(done.options.model), *arguments]) == 0
        assert json.loads(capsys.readouterr().out) == board


@pytest.mark.emulated
def test_a_build_runs_as_its_model_does(
    compiled: Compilation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pictures, labels and types come out of the folder."""
    model, data = str(compiled.options.model), str(compiled.options.calibration)
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"word {i}\n" for i in range(12)))
    flags = ["--calibration", data, "--labels", str(labels)]
    folder = tmp_path / "built"
    assert cli.main(["build", model, *flags, "-o", str(folder), "-q"]) == 0
    sample = tmp_path / "input.npy"
    np.save(sample, np.frombuffer(noise(need(compiled.schedule).graph, 1)[0], np.int8).reshape(1, 1, 49, 10) / 64)
    printed = []
    for command in ([model, *flags, "--on", "host"], [str(folder), "--on", "emulator"]):
        assert cli.main(["run", *command, "--input", str(sample)]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and "word 11" in printed[0]
    assert cli.main(["run", str(folder), "--board", "stm32h7", "--on", "emulator"]) == 2
    assert cli.main(["run", str(folder), "--on", "host"]) == 2
    capsys.readouterr()
