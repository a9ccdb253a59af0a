"""The emitted C of float networks against onnxruntime, and of the same networks in int8 against the interpreter.

Float arithmetic differs in order, so results may differ by 1e-4 of the output's largest magnitude; int8 must not differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from emitted_c import calibration, compiled, graph_of, interpreted, noise

from tinyml import zoo
from tinyml.build.host import HostModel, build_host_library
from tinyml.device.client import Client
from tinyml.device.emulator import EmulatedBoard
from tinyml.device.qemu import find_qemu, run_in_qemu
from tinyml.errors import ToolError
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Value
from tinyml.pipeline import Options, compile_model, need
from tinyml.targets import generic_target, load_board

COVERAGE = [
    "autoencoder_fc",
    "ds_cnn_kws",
    "espcn_x3",
    "fomo_mbv2_035",
    "lcnet_050",
    "mcunet_like",
    "mobilenetv2_035",
    "mobilenetv3_small_050",
    "resnet18_narrow",
    "squeezenet_like",
    "unet_small",
]
ZOO: Mapping[str, Mapping[str, object]] = {
    "autoencoder": {},
    "ds_cnn": {},
    "mobilenet_v3_small": {"resolution": 32},
    "mobilenet_v2": {"resolution": 32},
    "resnet8": {},
}
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A model with inputs and onnxruntime's outputs, in the model file's layout."""

    model: Path
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]


def stored(shared: Path, name: str) -> Case:
    """What onnxruntime answered when the model was exported."""
    with np.load(shared / "coverage" / f"{name}.npz", allow_pickle=False) as data:
        named = [[data[key] for key in data.files if key.startswith(kind)] for kind in ("input", "output")]
    return Case(shared / "coverage" / f"{name}.onnx", *named)


def from_zoo(name: str, folder: Path) -> Case:
    model = zoo.save(name, folder / f"{name}.onnx", **ZOO[name])
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feeds = {i.name: rng.standard_normal(i.shape).astype(np.float32) for i in session.get_inputs()}
    return Case(model, list(feeds.values()), session.run(None, feeds))


def in_memory(graph: Graph, arrays: list[np.ndarray]) -> list[bytes]:
    """The inputs as the emitted C has them."""
    return [moved(graph.value(name), x).tobytes() for name, x in zip(graph.inputs, arrays, strict=True)]


def moved(value: Value, array: np.ndarray) -> np.ndarray:
    """A tensor of the model file with the axes of ours."""
    return np.ascontiguousarray(array if value.layout is None else array.transpose(value.layout))


def assert_close(graph: Graph, results: list[bytes], expected: list[np.ndarray]) -> None:
    for name, data, tensor in zip(graph.outputs, results, expected, strict=True):
        want = moved(graph.value(name), tensor)
        got = np.frombuffer(data, np.float32).reshape(want.shape)
        largest = float(np.abs(want).max())
        assert largest > 0
        assert float(np.abs(got - want).max()) <= TOLERANCE * largest


def float_on_host(case: Case, folder: Path) -> None:
    done = compiled(case.model, folder, precision="float32")
    host = HostModel(build_host_library(need(done.bundle), folder, trace=False))
    assert_close(graph_of(done), host.run(in_memory(graph_of(done), case.inputs)), case.outputs)


def int8_on_host(case: Case, folder: Path, io: str = "int8") -> None:
    done = compiled(case.model, folder, calibration=calibration(case.model, folder), io=io)
    graph = graph_of(done)
    ports = {graph.value(name).dtype.value for name in (*graph.inputs, *graph.outputs)}
    assert need(done.quantized).calibrated and ports == {io}
    assert sum(v.dtype is DType.FLOAT32 for v in graph.values.values()) == (2 if io == "float32" else 0)
    host = HostModel(build_host_library(need(done.bundle), folder, trace=False))
    for seed in range(2):
        sample = noise(graph, seed)
        assert b"".join(host.run(sample)) == interpreted(graph, sample)


@pytest.mark.parametrize("name", COVERAGE)
def test_exported_network_in_float32(shared: Path, tmp_path: Path, name: str) -> None:
    float_on_host(stored(shared, name), tmp_path)


@pytest.mark.parametrize("name", COVERAGE)
def test_exported_network_in_int8(shared: Path, tmp_path: Path, name: str) -> None:
    int8_on_host(stored(shared, name), tmp_path)


@pytest.mark.parametrize("name", ZOO)
def test_zoo_network_in_float32(tmp_path: Path, name: str) -> None:
    float_on_host(from_zoo(name, tmp_path), tmp_path)


@pytest.mark.parametrize("name", ZOO)
def test_zoo_network_in_int8(tmp_path: Path, name: str) -> None:
    int8_on_host(from_zoo(name, tmp_path), tmp_path)


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_other_inputs_and_outputs_around_int8(tmp_path: Path, io: str) -> None:
    int8_on_host(from_zoo("ds_cnn", tmp_path), tmp_path, io)


@pytest.mark.emulated
@pytest.mark.parametrize("name", ["ds_cnn_kws", "autoencoder_fc"])
def test_float32_on_emulated_cores(shared: Path, tmp_path: Path, name: str) -> None:
    on_cores(stored(shared, name), tmp_path)


@pytest.mark.emulated
def test_zoo_network_in_float32_on_emulated_cores(tmp_path: Path) -> None:
    on_cores(from_zoo("ds_cnn", tmp_path), tmp_path)


def on_cores(case: Case, folder: Path) -> None:
    """On a Cortex-M7 with an FPU in the emulator, and in QEMU."""
    board = generic_target("cortex-m7", 8 << 20, 8 << 20)
    options = Options(model=case.model, board=board, work_dir=folder / "emulator", precision="float32")
    done = compile_model(options, stop_after="build")
    inputs = in_memory(graph_of(done), case.inputs)
    with EmulatedBoard(need(done.image).elf, board) as emulated:
        client = Client(emulated)
        client.connect()
        assert_close(graph_of(done), list(client.infer(inputs)), case.outputs)
    try:
        find_qemu()
    except ToolError as e:
        pytest.skip(f"the emulator agrees; QEMU is not here: {e.what}")
    machine = load_board("qemu_mps2_an500")
    options = Options(model=case.model, board=machine, work_dir=folder / "qemu", precision="float32")
    image = need(compile_model(options, stop_after="build").image)
    (results,) = run_in_qemu(image.elf, machine, [inputs])
    assert_close(graph_of(done), list(results), case.outputs)
