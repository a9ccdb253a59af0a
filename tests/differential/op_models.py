"""Seeded random models of one operator, in int8 and float32."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import tflite
from litert_batch import Case
from tflite_model import OperatorSpec, Quant, TensorSpec, tflite_bytes

RUNS = 3
ACTIVATIONS = (
    tflite.ActivationFunctionType.NONE,
    tflite.ActivationFunctionType.RELU,
    tflite.ActivationFunctionType.RELU6,
    tflite.ActivationFunctionType.RELU_N1_TO_1,
)
PADDINGS = (tflite.Padding.SAME, tflite.Padding.VALID)

Make = Callable[[np.random.Generator, str], Iterator[Case]]


def scale(rng: np.random.Generator, low: float = -9.0, high: float = 0.0) -> float:
    """A float32 scale between 2**low and 2**high; one in four is a power of two, which makes ties."""
    exponent = rng.uniform(low, high)
    return float(np.float32(2.0 ** (round(exponent) if rng.random() < 0.25 else exponent)))


def quant(rng: np.random.Generator, dtype: str = "int8", low: float = -9.0, high: float = 0.0) -> Quant | None:
    """Parameters of an activation; one zero point in four is at an end of its range. None of float32."""
    if dtype == "float32":
        return None
    info = np.iinfo(dtype)
    zero = int(rng.choice([info.min, info.max])) if rng.random() < 0.25 else int(rng.integers(info.min, info.max))
    return Quant([scale(rng, low, high)], [0 if dtype in ("int16", "int32") else zero])


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Integers over their whole range; ordinary reals."""
    if dtype == "float32":
        return (rng.standard_normal(shape) * 3).astype(np.float32)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def activation(rng: np.random.Generator, name: str, shape: tuple[int, ...], dtype: str) -> TensorSpec:
    return TensorSpec(name, shape, dtype, quant(rng, dtype))


def constant(name: str, data: np.ndarray, params: Quant | None = None) -> TensorSpec:
    return TensorSpec(name, data.shape, data.dtype.name, params, data)


def weights(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, axis: int | None) -> TensorSpec:
    """Symmetric, per channel along `axis` or per tensor."""
    data = values(rng, shape, dtype)
    if dtype == "float32":
        return constant("w", data / np.float32(50))  # sums of the size of their terms: rounding is what we look at
    data = np.maximum(data, -127)
    count = 1 if axis is None else shape[axis]
    return constant("w", data, Quant([scale(rng, -12, -3) for _ in range(count)], [0] * count, axis or 0))


def bias(rng: np.random.Generator, x: TensorSpec, w: TensorSpec, channels: int) -> TensorSpec:
    if x.quant is None or w.quant is None:
        return constant("b", values(rng, (channels,), "float32") / np.float32(10))
    scales = [float(np.float32(x.quant.scale[0]) * np.float32(s)) for s in w.quant.scale]
    data = rng.integers(-30_000, 30_000, channels, np.int32)
    return constant("b", data, Quant(scales, [0] * len(scales)))


def single(
    name: str,
    rng: np.random.Generator,
    op: str,
    inputs: Sequence[TensorSpec | None],
    output: TensorSpec,
    kind: str | None = None,
    *,
    runs: int = RUNS,
    version: int = 1,
    **options: int | float | bool,
) -> Case:
    """A model of one operator whose inputs without data are the network's, and random inputs for it."""
    present = [t for t in inputs if t is not None]
    fed = [t for t in present if t.data is None and not t.variable]
    operator = OperatorSpec(op, [None if t is None else t.name for t in inputs], [output.name], kind, options)
    model = tflite_bytes([*present, output], [operator], [t.name for t in fed], [output.name])
    return Case(f"{op} {name}", model, [[values(rng, t.shape, t.dtype) for t in fed] for _ in range(runs)])


BROADCASTS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((1, 5, 4, 3), (1, 5, 4, 3)),
    ((1, 7), (1, 7)),
    ((1, 5, 4, 3), (1, 1, 1, 3)),
    ((1, 1, 4, 1), (1, 5, 4, 3)),
    ((1, 5, 1, 3), (1, 1, 4, 3)),
    ((1, 5, 4, 3), (3,)),
    ((1, 6), (1, 1)),
    ((1, 2, 3, 2, 4), (1, 1, 3, 1, 4)),
)


def binary(op: str) -> Make:
    def make(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
        kind = f"{op.capitalize()}Options"
        for n, (left, right) in enumerate(BROADCASTS * 2):
            a, b = activation(rng, "a", left, dtype), activation(rng, "b", right, dtype)
            if n % 3 == 2:
                b = constant("b", values(rng, right, dtype), b.quant)
            y = activation(rng, "y", np.broadcast_shapes(left, right), dtype)
            fused = ACTIVATIONS[n % 4]
            yield single(f"{left} {right} {fused}", rng, op, [a, b], y, kind, FusedActivationFunction=fused)
        if dtype == "float32":
            return
        shape = (1, 3000)
        for low, high, out in ((-9, -9, -9), (-9, 3, -9), (-12, -12, 4), (1, 1, -12), (-3, -3, -2), (0, 0, 1)):
            a, b, y = (
                TensorSpec(t, shape, dtype, quant(rng, dtype, e, e)) for t, e in (("a", low), ("b", high), ("y", out))
            )
            yield single(f"scales 2**{low}, 2**{high} to 2**{out}", rng, op, [a, b], y, kind)

    return make


def window_length(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    if padding == tflite.Padding.SAME:
        return math.ceil(size / stride)
    return (size - (kernel - 1) * dilation - 1) // stride + 1


def pool(op: str) -> Make:
    def make(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
        for n in range(16):
            size = [int(v) for v in rng.integers(4, 10, 2)]
            kernel = [int(v) for v in rng.integers(1, 5, 2)]
            stride = [int(v) for v in rng.integers(1, 4, 2)]
            padding = PADDINGS[n % 2]
            out = [window_length(s, k, t, 1, padding) for s, k, t in zip(size, kernel, stride, strict=True)]
            x = activation(rng, "x", (1, *size, 3), dtype)
            y = TensorSpec("y", (1, *out, 3), dtype, x.quant)
            yield single(
                f"{size} window {kernel} stride {stride} padding {padding} activation {n // 4}",
                rng,
                op,
                [x],
                y,
                "Pool2DOptions",
                Padding=padding,
                StrideH=stride[0],
                StrideW=stride[1],
                FilterHeight=kernel[0],
                FilterWidth=kernel[1],
                FusedActivationFunction=ACTIVATIONS[n // 4],
            )

    return make


def conv(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for n in range(24):
        size = [int(v) for v in rng.integers(7, 12, 2)]
        kernel = [int(v) for v in rng.integers(1, 4, 2)]
        stride = [int(v) for v in rng.integers(1, 4, 2)] if n % 3 else [1, 1]
        dilation = [int(v) for v in rng.integers(1, 4, 2)] if n % 3 == 0 else [1, 1]
        groups = 2 if n % 4 == 3 else 1
        deep, out = (3 * groups, 5 * groups)
        padding = PADDINGS[n % 2]
        length = [window_length(*v, padding) for v in zip(size, kernel, stride, dilation, strict=True)]
        x = activation(rng, "x", (1, *size, deep), dtype)
        w = weights(rng, (out, *kernel, deep // groups), dtype, None if n % 5 == 1 else 0)
        b = bias(rng, x, w, out)
        y = activation(rng, "y", (1, *length, out), dtype)
        yield single(
            f"#{n} {size} kernel {kernel} stride {stride} dilation {dilation} groups {groups} padding {padding}",
            rng,
            "CONV_2D",
            [x, w, b],
            y,
            "Conv2DOptions",
            Padding=padding,
            StrideH=stride[0],
            StrideW=stride[1],
            DilationHFactor=dilation[0],
            DilationWFactor=dilation[1],
            FusedActivationFunction=ACTIVATIONS[n // 2 % 4],
        )


def depthwise(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for n in range(16):
        size = [int(v) for v in rng.integers(7, 12, 2)]
        kernel = [int(v) for v in rng.integers(1, 5, 2)]
        stride = [1 + n % 2] * 2 if n % 3 else [1, 1]
        dilation = [int(v) for v in rng.integers(1, 3, 2)] if n % 3 == 0 else [1, 1]
        multiplier = (1, 1, 2, 3)[n % 4]
        channels = 1 if n == 6 else 4
        padding = PADDINGS[n // 2 % 2]
        length = [window_length(*v, padding) for v in zip(size, kernel, stride, dilation, strict=True)]
        x = activation(rng, "x", (1, *size, channels), dtype)
        w = weights(rng, (1, *kernel, channels * multiplier), dtype, None if n % 5 == 1 else 3)
        b = [] if n % 7 == 6 else [bias(rng, x, w, channels * multiplier)]
        y = activation(rng, "y", (1, *length, channels * multiplier), dtype)
        yield single(
            f"#{n} {size} kernel {kernel} stride {stride} dilation {dilation} multiplier {multiplier} padding {padding}",
            rng,
            "DEPTHWISE_CONV_2D",
            [x, w, *b],
            y,
            "DepthwiseConv2DOptions",
            Padding=padding,
            StrideH=stride[0],
            StrideW=stride[1],
            DepthMultiplier=multiplier,
            DilationHFactor=dilation[0],
            DilationWFactor=dilation[1],
            FusedActivationFunction=ACTIVATIONS[n // 2 % 4],
        )


def transpose_conv(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for n in range(16):
        size = [int(v) for v in rng.integers(1, 6, 2)]
        kernel, stride = [int(v) for v in rng.integers(1, 5, 2)], [int(v) for v in rng.integers(1, 4, 2)]
        padding = PADDINGS[n % 2]
        if padding == tflite.Padding.SAME:
            kernel = [max(k, s) for k, s in zip(kernel, stride, strict=True)]
            out = [(v - 1) * s + 1 + int(rng.integers(0, s)) for v, s in zip(size, stride, strict=True)]
        else:
            out = [(v - 1) * s + k for v, s, k in zip(size, stride, kernel, strict=True)]
        x = activation(rng, "x", (1, *size, 3), dtype)
        w = weights(rng, (5, *kernel, 3), dtype, None if n % 5 == 1 else 0)
        b = [] if n % 7 == 6 else [bias(rng, x, w, 5)]
        y = activation(rng, "y", (1, *out, 5), dtype)
        yield single(
            f"#{n} {size} to {out} kernel {kernel} stride {stride} padding {padding}",
            rng,
            "TRANSPOSE_CONV",
            [constant("shape", np.array(y.shape, np.int32)), w, x, *b],
            y,
            "TransposeConvOptions",
            Padding=padding,
            StrideH=stride[0],
            StrideW=stride[1],
            FusedActivationFunction=ACTIVATIONS[n // 2 % 4],
        )


def fully_connected(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for n in range(20):
        shape = ((1, 12), (1, 3, 4), (1, 2, 3, 12), (1, 5, 12))[n % 4]
        keep = n % 4 == 3
        out = 7
        x = activation(rng, "x", shape, dtype)
        w = weights(rng, (out, 12), dtype, 0 if n % 3 == 2 else None)
        b = None if n % 5 == 4 else bias(rng, x, w, out)
        y = activation(rng, "y", (*shape[:-1], out) if keep else (math.prod(shape) // 12, out), dtype)
        yield single(
            f"#{n} {shape} keep {keep}",
            rng,
            "FULLY_CONNECTED",
            [x, w, b],
            y,
            "FullyConnectedOptions",
            runs=20,
            KeepNumDims=keep,
            FusedActivationFunction=ACTIVATIONS[n // 4 % 4],
        )


def unary(
    op: str, kind: str | None = None, output: Quant | None = None, most: float = np.inf, **options: float
) -> Make:
    """A function of one element, of each of its 256 values.

    Args:
        output: the parameters that TFLite asks of the int8 result; any where none are given.
        most: the largest ratio of the input's scale to the output's.
    """

    def make(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
        every = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
        for n in range(40 if dtype == "int8" else 4):
            x = TensorSpec("x", (1, 256), dtype, quant(rng, dtype, -13, 2))
            params = None if dtype == "float32" else output or quant(rng, dtype, -13, 2)
            while params is not None and x.quant is not None and x.quant.scale[0] / params.scale[0] > most:
                params = quant(rng, dtype, -13, 2)
            case = single(f"#{n}", rng, op, [x], TensorSpec("y", (1, 256), dtype, params), kind, **options)
            yield case if dtype == "float32" else replace(case, runs=[[every]])

    return make


def square_root(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    """Of what has one."""
    for case in unary("SQRT")(rng, dtype):
        yield replace(case, runs=[[np.abs(a) for a in run] for run in case.runs])


def softmax(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for n in range(24):
        shape = ((1, 2), (1, 10), (1, 100), (1, 5, 4), (1, 3, 4, 6), (1, 1))[n % 6]
        x = TensorSpec("x", shape, dtype, quant(rng, dtype, -10, 2))
        y = TensorSpec("y", shape, dtype, None if dtype == "float32" else Quant([1 / 256], [-128]))
        beta = (1.0, 0.5, 3.0, 1.0)[n // 6]
        yield single(f"#{n} {shape} beta {beta}", rng, "SOFTMAX", [x], y, "SoftmaxOptions", runs=8, Beta=beta)


def softmax_to_int16(rng: np.random.Generator) -> Iterator[Case]:
    for n in range(12):
        shape = ((1, 2), (1, 10), (1, 5, 40))[n % 3]
        x = TensorSpec("x", shape, "int8", quant(rng, "int8", -10, 2))
        y = TensorSpec("y", shape, "int16", Quant([1 / 65536], [-32768]))
        yield single(f"#{n} {shape} to int16", rng, "SOFTMAX", [x], y, "SoftmaxOptions", runs=8, Beta=1.0)


def mean(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    places = (
        ((1, 5, 4, 6), (1, 2)),
        ((1, 5, 4, 6), (1,)),
        ((1, 5, 4, 6), (2, 3)),
        ((1, 5, 4, 6), (3,)),
        ((1, 9, 6), (1,)),
        ((1, 5, 4, 6), (1, 2, 3)),
        ((1, 30), (1,)),
        ((1, 5, 4, 6), (2, 1)),
        ((1, 5, 4, 6), (-1,)),
        ((1, 16, 16, 3), (1, 2)),
    )
    for n, (shape, axes) in enumerate(places * 4):
        keep, same = n // 10 % 2 == 0, n // 20 == 0
        x = activation(rng, "x", shape, dtype)
        reduced = {a % len(shape) for a in axes}
        out = tuple(1 if i in reduced else v for i, v in enumerate(shape) if keep or i not in reduced)
        y = TensorSpec("y", out, dtype, x.quant if same else quant(rng, dtype))
        axis = constant("axes", np.array(axes, np.int32))
        case = single(
            f"#{n} {shape} over {axes} keep {keep} same {same}",
            rng,
            "MEAN",
            [x, axis],
            y,
            "ReducerOptions",
            KeepDims=keep,
        )
        # Real means of mixed signs would cancel, and rounding errors weigh as much as what is left.
        yield case if dtype != "float32" else replace(case, runs=[[np.abs(a) for a in run] for run in case.runs])


def arg_max(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for n, shape in enumerate([(1, 7), (1, 3, 5, 4), (1, 6, 3), (1, 1)]):
        x = activation(rng, "x", shape, dtype)
        x = replace(x, quant=Quant([0.5], [3])) if x.quant else x
        index = "int64" if n % 2 else "int32"
        kind = tflite.TensorType.INT64 if n % 2 else tflite.TensorType.INT32
        axis = constant("axis", np.array([-1, 3, 2, 1][n], np.int32))
        y = TensorSpec("y", shape[:-1], index)
        yield single(f"{shape} as {index}", rng, "ARG_MAX", [x, axis], y, "ArgMaxOptions", OutputType=kind)


def batch_matmul(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for n in range(24):
        m, k, c = (int(v) for v in rng.integers(1, 20, 3))
        lead = ((1,), (1, 3), (1, 1), (1, 2, 2))[n % 4]
        flips = bool(n & 4), bool(n & 8)
        shapes = [(*lead, m, k), (*lead, k, c)]
        shapes = [(*s[:-2], s[-1], s[-2]) if flip else s for s, flip in zip(shapes, flips, strict=True)]
        a, b = (activation(rng, name, s, dtype) for name, s in zip("ab", shapes, strict=True))
        y = activation(rng, "y", (*lead, m, c), dtype)
        yield single(
            f"#{n} {shapes}", rng, "BATCH_MATMUL", [a, b], y, "BatchMatMulOptions", AdjX=flips[0], AdjY=flips[1]
        )


CONVERSIONS = (
    ("float32", ("int8", "uint8", "int16")),
    ("int8", ("int8", "uint8", "int16", "float32")),
    ("uint8", ("int8", "uint8", "int16", "float32")),
    ("int16", ("int8", "int16", "int32", "float32")),
    ("int32", ("int8", "int16")),
)
"""What LiteRT's QUANTIZE and DEQUANTIZE take."""


def conversions(rng: np.random.Generator, source: str) -> Iterator[Case]:
    for target in dict(CONVERSIONS)[source]:
        for n in range(12):
            x = TensorSpec("x", (1, 500), source, quant(rng, source))
            same = n % 4 == 0 and source == target
            y = TensorSpec("y", (1, 500), target, x.quant if same else quant(rng, target))
            op = "DEQUANTIZE" if target == "float32" else "QUANTIZE"
            case = single(f"#{n} {source} to {target}", rng, op, [x], y, f"{op.capitalize()}Options")
            if source == "int32":  # larger ones overflow in LiteRT
                case = replace(case, runs=[[a // 2**17 for a in run] for run in case.runs])
            yield case


def svdf(rng: np.random.Generator, dtype: str, state: str = "int16") -> Iterator[Case]:
    """state: the type of state and time weights where the network is int8: int16 in LiteRT, int8 in TFLite Micro."""
    state = "float32" if dtype == "float32" else state
    for n in range(8):
        rank, units, memory, deep = 1 + n % 3, 4, 5 + n, 6
        filters = rank * units
        x = activation(rng, "x", (1, deep), dtype)
        feature = weights(rng, (filters, deep), dtype, None)
        time = replace(weights(rng, (filters, memory), state, None), name="time")
        if state == "int16":  # sums of full products overflow int32
            assert time.data is not None
            time = replace(time, data=time.data // 16)
        kept = TensorSpec("state", (1, filters * memory), state, quant(rng, state, -8, -4), variable=True)
        if kept.quant is not None:
            kept = replace(kept, quant=Quant(kept.quant.scale, [0]))
        b = bias(rng, kept, time, units)
        y = TensorSpec("y", (1, units), dtype, quant(rng, dtype, -4, 4))
        relu = tflite.ActivationFunctionType.RELU
        case = single(
            f"#{n} rank {rank} memory {memory}",
            rng,
            "SVDF",
            [x, feature, time, b, kept],
            y,
            "SVDFOptions",
            runs=3 * memory,
            Rank=rank,
            FusedActivationFunction=relu,
        )
        yield replace(case, states=[4])
