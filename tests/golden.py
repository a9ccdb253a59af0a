"""Reference results from software that is not ours."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import tflite


def litert_reference(model: Path | bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Outputs of LiteRT's reference kernels (BUILTIN_REF) for one run from reset state.

    It runs in a process of its own: a crash of the reference (its SVDF takes an int8 state for an int16 one, and writes past
    it) must not be ours.
    """
    pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT has no wheel for this system")
    content = without_bad_axes(model.read_bytes() if isinstance(model, Path) else model)
    with tempfile.TemporaryDirectory() as folder:
        given, taken = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(given, model=np.frombuffer(content, np.uint8), **{f"i{n}": x for n, x in enumerate(inputs)})
        done = subprocess.run(
            [sys.executable, __file__, str(given), str(taken)], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        with np.load(taken) as outputs:
            return [outputs[f"o{n}"] for n in range(len(outputs.files))]


def _serve(given: str, taken: str) -> None:
    """The other side of `litert_reference`."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with np.load(given) as stored:
        interpreter = Interpreter(
            model_content=stored["model"].tobytes(), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
        )
        interpreter.allocate_tensors()
        for n, detail in enumerate(interpreter.get_input_details()):
            interpreter.set_tensor(detail["index"], stored[f"i{n}"])
        interpreter.invoke()
        results = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
        np.savez(taken, **{f"o{n}": y for n, y in enumerate(results)})
    os._exit(0)


def tflm_reference(model: Path, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Outputs of TFLite Micro for one run from reset state, for what LiteRT's reference cannot run."""
    return tflm_sequence(model, [inputs])[0]


def tflm_sequence(model: Path, runs: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    """Outputs of TFLite Micro for runs one after the other, the first from reset state."""
    tflm = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="TFLite Micro has no wheel here")
    content = model.read_bytes()
    interpreter = tflm.Interpreter.from_bytes(content)
    outputs = tflite.Model.GetRootAs(content, 0).Subgraphs(0).OutputsLength()
    answers = []
    for inputs in runs:
        for n, array in enumerate(inputs):
            interpreter.set_input(array, n)
        interpreter.invoke()
        answers.append([np.array(interpreter.get_output(n)) for n in range(outputs)])
    return answers


def without_bad_axes(content: bytes) -> bytes:
    """The same model with quantized_dimension 0 where it is out of range, which LiteRT refuses (person_detect has it on
    vectors and on per-tensor values, where it means nothing)."""
    data = bytearray(content)
    model = tflite.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    for i in range(graph.TensorsLength()):
        tensor = graph.Tensors(i)
        quant = tensor.Quantization()
        if quant is not None and quant.QuantizedDimension() >= max(tensor.ShapeLength(), 1):
            field = quant._tab.Offset(16)  # quantized_dimension is the seventh field of the table
            flatbuffers.encode.Write(flatbuffers.packer.int32, data, quant._tab.Pos + field, 0)
    return bytes(data)


def random_inputs(model: Path | bytes, seed: int) -> list[np.ndarray]:
    """Seeded inputs of the types and shapes that the model declares, integers over their whole range."""
    data = model.read_bytes() if isinstance(model, Path) else model
    graph = tflite.Model.GetRootAs(data, 0).Subgraphs(0)
    rng = np.random.default_rng(seed)
    types = {tflite.TensorType.INT8: np.int8, tflite.TensorType.UINT8: np.uint8, tflite.TensorType.INT16: np.int16}
    arrays = []
    for i in graph.InputsAsNumpy():
        tensor = graph.Tensors(int(i))
        shape = tuple(int(n) for n in tensor.ShapeAsNumpy())
        if tensor.Type() == tflite.TensorType.FLOAT32:
            arrays.append(rng.standard_normal(shape).astype(np.float32))
        else:
            info = np.iinfo(types[tensor.Type()])
            arrays.append(rng.integers(info.min, info.max, shape, info.dtype, endpoint=True))
    return arrays


if __name__ == "__main__":
    _serve(*sys.argv[1:])
