"""Which TFLite operations are read, in which forms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyml.frontends.tflite.context import OpContext

Handle = Callable[["OpContext"], None]


class UnsupportedError(Exception):
    """Raised by a handler: this form cannot be compiled. The importer collects them all."""


@dataclass(frozen=True, slots=True)
class Handler:
    """form: what is supported, for error messages."""

    form: str
    handle: Handle


HANDLERS: dict[str, Handler] = {}

# What stands closest to operations that are often met and have no handler.
CLOSEST = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "SVDF, or convolutions over time",
    "WHILE": "unroll the control flow before converting",
    "IF": "unroll the control flow before converting",
    "PRELU": "LEAKY_RELU, where the slope is the same for all channels",
    "SUM": "MEAN, followed by MUL",
    "REDUCE_MAX": "MAX_POOL_2D over the whole map",
}


def handler(op: str, form: str = "") -> Callable[[Handle], Handle]:
    """Registers a function for one operation, named as in the schema."""

    def register(handle: Handle) -> Handle:
        if op in HANDLERS:
            raise RuntimeError(f"two handlers for {op}")
        HANDLERS[op] = Handler(form, handle)
        return handle

    return register
