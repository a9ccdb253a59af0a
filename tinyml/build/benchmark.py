"""What the firmware must know to take MLPerf Tiny's commands: how an input arrives and what a result is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyml.emit.bundle import SourceBundle
from tinyml.emit.c.text import c_float
from tinyml.errors import ToolError
from tinyml.ir.dtypes import DType, storage_bytes
from tinyml.ir.graph import Value

_SIGN = 0x80  # int8 = uint8 - 128, as bits
_C_TYPES = {
    DType.INT4: "int8_t",
    DType.INT8: "int8_t",
    DType.UINT8: "uint8_t",
    DType.BOOL: "uint8_t",
    DType.INT16: "int16_t",
    DType.INT32: "int32_t",
    DType.INT64: "int64_t",
    DType.FLOAT32: "float",
}


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One of MLPerf Tiny's. Source of the figures: mlcommons/tiny, evaluation/datasets/README.

    Attributes:
        sends: type of an input's elements on the line.
        elements: of an input.
        results: numbers that the runner expects.
        mean_squared_error: the result is how far the output is from the input, both as real numbers.
    """

    sends: DType
    elements: int
    results: int
    mean_squared_error: bool = False


BENCHMARKS: Mapping[str, Benchmark] = {
    "vww01": Benchmark(DType.UINT8, 96 * 96 * 3, 2),
    "ic01": Benchmark(DType.UINT8, 32 * 32 * 3, 10),
    "kws01": Benchmark(DType.INT8, 49 * 10, 12),
    "ad01": Benchmark(DType.FLOAT32, 5 * 128, 1, mean_squared_error=True),
}


@dataclass(frozen=True, slots=True)
class BenchmarkCommands:
    """Attributes:
    context: for firmware/benchmark.c.j2.
    copy_bytes: of the copy of the input that is kept; 0 where none is.
    """

    context: Mapping[str, Any]
    copy_bytes: int


def benchmark_commands(bundle: SourceBundle, benchmark: str | None) -> BenchmarkCommands:
    """How `db`, `infer` and `results` reach the model's first input and output.

    Without a benchmark, `db` sends the bytes of the input as they are, and no copy is kept.

    Raises:
        ToolError: no such benchmark, or the model is not one for it.
    """
    graph = bundle.plan.schedule.graph
    given, output = graph.value(graph.inputs[0]), graph.value(graph.outputs[0])
    about = Benchmark(given.dtype, given.elements, output.elements) if benchmark is None else _benchmark(benchmark)
    if benchmark is not None:
        _check_model(benchmark, about, given, output, len(graph.inputs))
    # Another form than the input's must be kept to be sent twice, and to be compared with the output.
    floats = benchmark is not None and about.sends is DType.FLOAT32
    copied = benchmark is not None and (floats or not bundle.plan.input_preserved)
    sent_bytes = storage_bytes(about.elements, about.sends)
    context = {
        "name": bundle.name,
        "model": benchmark or bundle.name,
        "bytes": sent_bytes,
        "copied": copied,
        "floats": floats,
        "flip": _SIGN if about.sends is DType.UINT8 and given.dtype is DType.INT8 else 0,
        "mean_squared_error": about.mean_squared_error,
        "repeatable": copied or bundle.plan.input_preserved,
        "results": about.results,
        "input": _port(given),
        "output": _port(output),
    }
    return BenchmarkCommands(context, sent_bytes if copied else 0)


def _benchmark(name: str) -> Benchmark:
    if name not in BENCHMARKS:
        raise ToolError(f"MLPerf Tiny has no benchmark {name!r}", f"one of: {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]


def _check_model(name: str, about: Benchmark, given: Value, output: Value, inputs: int) -> None:
    types = {DType.UINT8: (DType.UINT8, DType.INT8), DType.FLOAT32: (DType.FLOAT32, DType.INT8)}
    allowed = types.get(about.sends, (about.sends,))
    outputs = about.elements if about.mean_squared_error else about.results
    if inputs != 1 or given.elements != about.elements or given.dtype not in allowed or output.elements != outputs:
        raise ToolError(
            f"this is no model for {name}: it takes {inputs} input(s), the first of {given.elements} {given.dtype.value}, "
            f"and gives {output.elements} numbers; expected one input of {about.elements} "
            f"{' or '.join(t.value for t in allowed)}, and {outputs} numbers"
        )


def _port(value: Value) -> Mapping[str, Any]:
    quant = value.quant
    zero_point = quant.zero_point[0] if quant else 0
    lowest, highest = value.dtype.range if value.dtype.is_integer else (0, 0)
    scale = c_float(quant.scale[0] if quant else 1.0)
    return {
        "c_type": _C_TYPES[value.dtype], "scale": scale, "zero_point": zero_point, "lowest": lowest, "highest": highest,
    }  # fmt: skip
