"""Small networks of several layers, and the comparison of their emitted C with LiteRT."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tflite
from golden import litert_reference, random_inputs
from tflite_model import OperatorSpec, Quant, TensorSpec, tflite_bytes

from tinyml.build.host import HostModel, build_host_library
from tinyml.device.client import Client
from tinyml.device.emulator import EmulatedBoard
from tinyml.device.qemu import find_qemu, run_in_qemu
from tinyml.errors import ToolError
from tinyml.pipeline import Compilation, Options, compile_model, need
from tinyml.targets import Board, generic_target, load_board

_CONV = {
    "Padding": tflite.Padding.SAME,
    "StrideH": 1,
    "StrideW": 1,
    "DilationHFactor": 1,
    "DilationWFactor": 1,
}


def convolutional(rng: np.random.Generator, activations: str, weights: str, bias: str) -> bytes:
    """A 3x3 convolution, a depthwise one, a pointwise one, a fully connected layer; scales under which little saturates."""
    zero = 0 if activations == "int16" else 3
    step = 0.0002 if activations == "int16" else 0.05
    largest = 7 if weights == "int4" else 127
    x = TensorSpec("x", (1, 9, 9, 3), activations, Quant([step], [zero]))
    tensors, operators = [x], []

    def layer(
        op: str, kind: str, name: str, shape: tuple[int, ...], out: tuple[int, ...], axis: int, **options: int
    ) -> None:
        count, before = shape[axis], tensors[-1]
        data = rng.integers(-largest, largest + 1, shape).astype(np.int8)
        scales = rng.uniform(0.5, 1.0, count) * 2 / largest / np.sqrt(np.prod(shape) / count)
        w = TensorSpec(f"{name}_w", shape, weights, Quant(list(scales), [0] * count, axis), data)
        assert before.quant is not None
        steps = [float(np.float32(before.quant.scale[0]) * np.float32(s)) for s in scales]
        b = TensorSpec(
            f"{name}_b", (count,), bias, Quant(steps, [0] * count), rng.integers(-500, 500, count).astype(bias)
        )
        y = TensorSpec(name, out, activations, Quant([step], [zero]))
        operators.append(OperatorSpec(op, [before.name, w.name, b.name], [name], kind, options))
        tensors.extend([w, b, y])

    relu = tflite.ActivationFunctionType.RELU
    layer("CONV_2D", "Conv2DOptions", "a", (7, 3, 3, 3), (1, 9, 9, 7), 0, FusedActivationFunction=relu, **_CONV)
    layer("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", "d", (1, 3, 3, 7), (1, 9, 9, 7), 3, DepthMultiplier=1, **_CONV)
    layer("CONV_2D", "Conv2DOptions", "p", (10, 1, 1, 7), (1, 9, 9, 10), 0, **_CONV)
    layer("FULLY_CONNECTED", "FullyConnectedOptions", "y", (5, 810), (1, 5), 0)
    return tflite_bytes(tensors, operators, ["x"], ["y"])


def assert_every_byte(model: Path, folder: Path, runs: int = 3) -> None:
    """The emitted C gives LiteRT's results on the host, on an emulated Cortex-M7 and in QEMU."""
    expected = []
    for seed in range(runs):
        inputs = random_inputs(model, seed)
        outputs = litert_reference(model, inputs)
        expected.append(([x.tobytes() for x in inputs], [np.ascontiguousarray(y).tobytes() for y in outputs]))
    board = generic_target("cortex-m7", 1 << 20, 2 << 20)
    done = _compiled(model, board, folder / "emulator")
    host = HostModel(build_host_library(need(done.bundle), folder / "host", trace=False))
    for given, wanted in expected:
        assert host.run(given) == wanted
    with EmulatedBoard(need(done.image).elf, board) as emulated:
        client = Client(emulated)
        client.connect()
        for given, wanted in expected:
            assert list(client.infer(given)) == wanted
    try:
        find_qemu()
    except ToolError:
        return
    machine = load_board("qemu_mps2_an500")
    image = need(_compiled(model, machine, folder / "qemu").image)
    answers: Sequence[Sequence[bytes]] = run_in_qemu(image.elf, machine, [given for given, _ in expected])
    assert [list(answer) for answer in answers] == [wanted for _, wanted in expected]


def _compiled(model: Path, board: Board, folder: Path) -> Compilation:
    return compile_model(Options(model=model, board=board, work_dir=folder), stop_after="build")
