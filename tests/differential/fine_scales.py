"""Models whose results tell in which precision their multipliers were computed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import tflite
from litert_batch import Case
from op_models import bias, constant, single
from tflite_model import Quant, TensorSpec

# (input, result), (input, weight, result): scales at which some of the 256 inputs round another way where the multiplier is
# computed in single precision than where it is computed in double.
FINE_PAIRS = (
    (0.023173686116933823, 0.009486882016062737),
    (0.4685213565826416, 0.22131159901618958),
    (0.06448030471801758, 0.07071098685264587),
)
FINE_SLOPES = (
    (0.05567634478211403, 0.016482548788189888),
    (0.023448018357157707, 0.025513388216495514),
    (0.48146066069602966, 0.1603333204984665),
)
FINE_TRIPLES = {
    "FULLY_CONNECTED": (
        (0.2692546844482422, 0.008005237206816673, 0.3980000913143158),
        (0.018515631556510925, 0.021333802491426468, 0.01065653096884489),
        (0.007955786772072315, 0.06475523859262466, 0.32626622915267944),
    ),
    "CONV_2D": (
        (0.026704156771302223, 0.005364836659282446, 0.008158738724887371),
        (0.01042153500020504, 0.10940763354301453, 0.02320745214819908),
        (0.3514806926250458, 0.028583548963069916, 0.3935348689556122),
    ),
    "ADD": (
        (0.028707921504974365, 0.029850324615836143, 0.29905402660369873),
        (0.008004546165466309, 0.040208954364061356, 0.04460550844669342),
        (0.024285363033413887, 0.0087538231164217, 0.023628437891602516),
    ),
}
FINE_TRIPLES["MUL"] = FINE_TRIPLES["CONV_2D"]


def fine_scales(rng: np.random.Generator) -> Iterator[Case]:
    every = np.arange(-128, 128, dtype=np.int8)

    def case(
        op: str, lead: tuple[int, ...], scales: Sequence[float], zero: int, kind: str | None, **options: float
    ) -> Case:
        x = TensorSpec("x", (*lead, 256), "int8", Quant([scales[0]], [zero]))
        y = TensorSpec("y", (1, 256), "int8", Quant([scales[-1]], [zero]))
        axes = [constant("axes", np.array([1], np.int32))] if op == "MEAN" else []
        made = single(f"{scales}", rng, op, [x, *axes], y, kind, **options)
        return replace(made, runs=[[every.reshape(x.shape)]])

    for pair in FINE_PAIRS:
        yield case("RELU", (1,), pair, -128, None)
        yield case("QUANTIZE", (1,), pair, -128, "QuantizeOptions")
        yield case("LEAKY_RELU", (1,), pair, -128, "LeakyReluOptions", Alpha=0.5)
        yield case("MEAN", (1, 1), pair, -128, "ReducerOptions")
    for pair in FINE_SLOPES:
        yield case("LEAKY_RELU", (1,), pair, 127, "LeakyReluOptions", Alpha=0.3)
    window = {"Padding": tflite.Padding.VALID, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    shapes = {"FULLY_CONNECTED": ((1, 256, 1), (1, 1)), "CONV_2D": ((1, 256, 1, 1), (1, 1, 1, 1))}
    kinds = {
        "FULLY_CONNECTED": "FullyConnectedOptions",
        "CONV_2D": "Conv2DOptions",
        "ADD": "AddOptions",
        "MUL": "MulOptions",
    }
    for op, triples in FINE_TRIPLES.items():
        shape, weight = shapes.get(op, ((1, 256), (1, 1)))
        for of_x, of_w, of_y in triples:
            x = TensorSpec("x", shape, "int8", Quant([of_x], [-128]))
            w = constant("w", np.full(weight, 127, np.int8), Quant([of_w], [0]))
            b = [replace(bias(rng, x, w, 1), data=np.zeros(1, np.int32))] if op in shapes else []
            y = TensorSpec("y", (256, 1) if op == "FULLY_CONNECTED" else shape, "int8", Quant([of_y], [-128]))
            made = single(
                f"{of_x}, {of_w}, {of_y}", rng, op, [x, w, *b], y, kinds[op], **(window if op == "CONV_2D" else {})
            )
            yield replace(made, runs=[[every.reshape(shape)]])


def next_to_ties(rng: np.random.Generator) -> Iterator[Case]:
    """Real numbers on ties of the rounding, and the nearest ones on both sides of them."""
    ties = np.arange(-140, 140, dtype=np.float32) + np.float32(0.5)
    near = np.concatenate([np.nextafter(ties, np.float32(np.inf)), ties, np.nextafter(ties, np.float32(-np.inf))])
    for dtype in ("int8", "uint8", "int16"):
        for scale in (1.0, 0.25):
            x = TensorSpec("x", (1, near.size), "float32")
            y = TensorSpec("y", (1, near.size), dtype, Quant([scale], [100 if dtype == "uint8" else 0]))
            case = single(f"to {dtype} of {scale}", rng, "QUANTIZE", [x], y, "QuantizeOptions")
            yield replace(case, runs=[[near.reshape(1, -1) * np.float32(scale)]])
    every = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
    for scale, zero in ((0.038565512746572495, 117), (0.08634650707244873, 70)):  # tanh(x) / 2 comes next to a half
        x, y = (
            TensorSpec("x", (1, 256), "int8", Quant([scale], [zero])),
            TensorSpec("y", (1, 256), "int8", Quant([2.0], [3])),
        )
        yield replace(single(f"{scale}", rng, "TANH", [x], y), runs=[[every]])
