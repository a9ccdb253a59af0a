"""Seeded random models of one operator that moves elements."""

from collections.abc import Iterator

import numpy as np
from litert_batch import Case
from op_models import Make, activation, constant, quant, single, values
from tflite_model import OperatorSpec, TensorSpec, tflite_bytes


def concatenation(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for n, (shapes, axis) in enumerate(
        (
            ([(1, 3, 4, 2), (1, 3, 4, 5)], 3),
            ([(1, 3, 4, 2), (1, 1, 4, 2), (1, 2, 4, 2)], 1),
            ([(1, 3), (1, 4)], -1),
            ([(1, 3, 2, 2), (1, 3, 3, 2)], 2),
        )
    ):
        params = quant(rng, dtype)
        parts = [TensorSpec(f"x{i}", s, dtype, params) for i, s in enumerate(shapes)]
        if n == 2:
            parts[1] = constant("x1", values(rng, shapes[1], dtype), params)
        total = list(shapes[0])
        total[axis] = sum(s[axis] for s in shapes)
        y = TensorSpec("y", tuple(total), dtype, params)
        yield single(f"{shapes} on {axis}", rng, "CONCATENATION", parts, y, "ConcatenationOptions", Axis=axis)


def pad(op: str) -> Make:
    def make(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
        for n, shape in enumerate([(1, 3, 4, 2), (1, 5), (1, 4, 3)] * 3):
            x = activation(rng, "x", shape, dtype)
            pairs = rng.integers(0, 3, (len(shape), 2)).astype(np.int32)
            pairs[0] = 0
            extra = []
            if op == "PADV2":
                extra = [constant("value", values(rng, (1,) if n % 2 else (), dtype), x.quant)]
            y = TensorSpec("y", tuple(int(v) for v in np.array(shape) + pairs.sum(1)), dtype, x.quant)
            yield single(
                f"#{n} {shape} {pairs.tolist()}",
                rng,
                op,
                [x, constant("pads", pairs), *extra],
                y,
                f"{op.capitalize().replace('v2', 'V2')}Options",
            )

    return make


def transpose(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for shape, perm in (
        ((1, 3, 4, 2), (0, 3, 1, 2)),
        ((1, 3, 4, 2), (0, 2, 1, 3)),
        ((1, 5, 3), (0, 2, 1)),
        ((1, 2, 3, 4, 5), (0, 4, 2, 1, 3)),
        ((1, 3, 4, 2), (3, 1, 0, 2)),
        ((1, 5), (1, 0)),
    ):
        x = activation(rng, "x", shape, dtype)
        y = TensorSpec("y", tuple(shape[p] for p in perm), dtype, x.quant)
        yield single(
            f"{shape} {perm}", rng, "TRANSPOSE", [x, constant("perm", np.array(perm, np.int32))], y, "TransposeOptions"
        )


def slice_(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    for shape, begin, size in (
        ((1, 6, 5, 4), (0, 1, 2, 0), (1, 3, -1, 2)),
        ((1, 8), (0, 3), (1, 5)),
        ((1, 4, 7), (0, 0, 6), (-1, -1, 1)),
    ):
        x = activation(rng, "x", shape, dtype)
        out = tuple(n - b if s == -1 else s for n, b, s in zip(shape, begin, size, strict=True))
        bounds = [constant(name, np.array(v, np.int32)) for name, v in (("begin", begin), ("size", size))]
        yield single(
            f"{shape} {begin} {size}", rng, "SLICE", [x, *bounds], TensorSpec("y", out, dtype, x.quant), "SliceOptions"
        )


def strided_slice(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    plain = {"BeginMask": 0, "EndMask": 0, "ShrinkAxisMask": 0}
    for shape, begin, end, stride, masks, out in (
        ((1, 8, 6, 4), (0, 1, 0, 0), (1, 7, 6, 4), (1, 2, 3, 1), {}, (1, 3, 2, 4)),
        ((1, 8, 6, 4), (0, -5, 0, 0), (1, -1, 99, 4), (1, 1, 2, 3), {}, (1, 4, 3, 2)),
        ((1, 8, 6, 4), (0, 6, 0, 3), (1, 1, 6, 0), (1, -2, 1, -1), {}, (1, 3, 6, 3)),
        ((1, 8, 6, 4), (9, 7, 0, 0), (9, 0, 0, 0), (1, -1, 1, 1), {"BeginMask": 13, "EndMask": 15}, (1, 8, 6, 4)),
        ((1, 8, 6, 4), (0, 3, 0, 0), (1, 4, 6, 4), (1, 1, 1, 1), {"ShrinkAxisMask": 2}, (1, 6, 4)),
        ((1, 8, 6, 4), (0, -2, 0, 0), (1, -1, 6, 4), (1, 1, 1, 1), {"ShrinkAxisMask": 2}, (1, 6, 4)),
        ((1, 8, 6), (0, 2), (1, 5), (1, 1), {}, (1, 3, 6)),
        ((1, 10), (0, -1), (1, -11), (1, -1), {}, (1, 10)),
    ):
        x = activation(rng, "x", shape, dtype)
        bounds = [
            constant(name, np.array(v, np.int32)) for name, v in (("begin", begin), ("end", end), ("stride", stride))
        ]
        yield single(
            f"{shape} {begin} {end} {stride} {masks}",
            rng,
            "STRIDED_SLICE",
            [x, *bounds],
            TensorSpec("y", out, dtype, x.quant),
            "StridedSliceOptions",
            **{**plain, **masks},
        )


def reshaping(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    x = activation(rng, "x", (1, 6, 1, 4), dtype)
    z = TensorSpec("z", x.shape, dtype, x.quant)

    def numbers(*n: int) -> TensorSpec:
        return constant("n", np.array(n, np.int32))

    def y(*shape: int) -> TensorSpec:
        return TensorSpec("y", shape, dtype, x.quant)

    yield single("", rng, "RESHAPE", [x, numbers(1, -1)], y(1, 24), "ReshapeOptions")
    yield single("all axes of 1", rng, "SQUEEZE", [x], y(6, 4), "SqueezeOptions")
    yield single("on 1", rng, "EXPAND_DIMS", [x, numbers(1)], y(1, 1, 6, 1, 4), "ExpandDimsOptions")
    yield single("on -1", rng, "EXPAND_DIMS", [x, numbers(-1)], y(1, 6, 1, 4, 1), "ExpandDimsOptions")
    yield single("on 1", rng, "GATHER", [x, numbers(5, 0, 0, 3)], y(1, 4, 1, 4), "GatherOptions", Axis=1)
    yield single("on -1", rng, "GATHER", [x, numbers(3, 1)], y(1, 6, 1, 2), "GatherOptions", Axis=-1)
    yield single("on 2", rng, "PACK", [x, z], y(1, 6, 2, 1, 4), "PackOptions", Axis=2, ValuesCount=2)


def dividing(rng: np.random.Generator, dtype: str) -> Iterator[Case]:
    """UNPACK, SPLIT and SPLIT_V; the parts are the outputs, in another order than they are in."""

    def case(
        op: str, shape: tuple[int, ...], parts: list[tuple[int, ...]], axis: int, before: bool, *more: int
    ) -> Case:
        x = activation(rng, "x", shape, dtype)
        outputs = [TensorSpec(f"y{n}", part, dtype, x.quant) for n, part in enumerate(parts)]
        on = [] if op == "UNPACK" else [constant("axis", np.array(axis, np.int32))]
        sizes = [constant("sizes", np.array(more, np.int32))] if more else []
        inputs = [*on, x] if before else [x, *sizes, *on]
        names, count = [y.name for y in outputs], {"Num" if op == "UNPACK" else "NumSplits": len(parts)}
        options = {**count, "Axis": axis} if op == "UNPACK" else count
        kind = {"UNPACK": "UnpackOptions", "SPLIT": "SplitOptions", "SPLIT_V": "SplitVOptions"}[op]
        operator = OperatorSpec(op, [t.name for t in inputs], names, kind, options)
        model = tflite_bytes([*inputs, *outputs], [operator], ["x"], names[::-1])
        return Case(f"{op} {shape} on {axis}", model, [[values(rng, shape, dtype)]])

    yield case("UNPACK", (1, 3, 4), [(1, 4)] * 3, 1, False)
    yield case("UNPACK", (1, 2, 5), [(1, 2)] * 5, -1, False)
    yield case("SPLIT", (1, 6, 4), [(1, 2, 4)] * 3, 1, True)
    yield case("SPLIT", (1, 3, 8), [(1, 3, 4)] * 2, -1, True)
    yield case("SPLIT_V", (1, 3, 8), [(1, 3, 5), (1, 3, 1), (1, 3, 2)], 2, False, 5, 1, 2)
    yield case("SPLIT_V", (1, 7, 2), [(1, 3, 2), (1, 4, 2)], -2, False, 3, -1)
