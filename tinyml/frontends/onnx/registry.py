"""Which ONNX operations are read, in which forms, and what to do instead of the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyml.frontends.onnx.node import NodeContext
    from tinyml.frontends.onnx.tensors import Tensor

Handle = Callable[["NodeContext"], "list[Tensor]"]


class UnsupportedError(Exception):
    """Raised by a handler: this form of the operation cannot be compiled. The importer collects them all."""


@dataclass(frozen=True, slots=True)
class Handler:
    """How one ONNX operation becomes IR.

    Attributes:
        form: what is supported, for the error message and docs/operators.md.
        handle: returns one tensor for each of the node's leading outputs.
    """

    op: str
    form: str
    handle: Handle


HANDLERS: dict[str, Handler] = {}


def handler(op: str, form: str) -> Callable[[Handle], Handle]:
    """Registers a function for an operation of the default ONNX domain."""

    def register(handle: Handle) -> Handle:
        if op in HANDLERS:
            raise RuntimeError(f"two handlers for {op}")
        HANDLERS[op] = Handler(op, form, handle)
        return handle

    return register


_QOPERATOR = "quantize in QDQ form instead (onnxruntime: quant_format=QuantFormat.QDQ), or give the float model"
_LOOP = "unroll the control flow before the export; a network with static shapes exports without it"
_NORM = "BatchNormalization, or the same written with ReduceMean, Sub, Mul, Sqrt and Div"
_RECURRENT = "convolutions over time (1-D Conv)"

# What stands closest to operations that are often met and have no handler.
_CLOSEST = {
    "If": _LOOP,
    "Loop": _LOOP,
    "Scan": _LOOP,
    "QGemm": _QOPERATOR,
    "ConvInteger": _QOPERATOR,
    "MatMulInteger": _QOPERATOR,
    "DynamicQuantizeLinear": "static quantization in QDQ form (onnxruntime: quantize_static with calibration data)",
    "LpNormalization": _NORM,
    "LRN": _NORM,
    "RNN": _RECURRENT,
    "GRU": _RECURRENT,
    "LSTM": _RECURRENT,
    "Upsample": "Resize",
    "Elu": "Relu or LeakyRelu",
    "Selu": "Relu or LeakyRelu",
    "Celu": "Relu or LeakyRelu",
    "Softplus": "Relu or Sigmoid",
    "Softsign": "Tanh",
    "Mish": "HardSwish",
    "Swish": "Mul and Sigmoid",
    "LogSoftmax": "Softmax",
    "Hardmax": "take the largest output in the application",
    "ArgMin": "ArgMax of the negated tensor",
    "TopK": "end the network before it and choose in the application",
    "NonMaxSuppression": "end the network before it and choose the boxes in the application",
    "GlobalLpPool": "GlobalAveragePool or GlobalMaxPool",
    "LpPool": "AveragePool or MaxPool",
}


def closest(op: str) -> str | None:
    """What stands closest to an operation without a handler, where that is known."""
    return _QOPERATOR if op.startswith("QLinear") else _CLOSEST.get(op)
