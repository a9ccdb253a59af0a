"""What runs a network: each of these is a description that travels to another process, and loads there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tinyml.errors import ModelError, ToolError
from tinyml.targets import Board


@dataclass(frozen=True, slots=True)
class Inference:
    """output: bytes of the network's only output; microseconds: by the device's own clock, None where it has none."""

    output: bytes
    microseconds: int | None = None


Run = Callable[[bytes], Inference]
"""One inference on the bytes of the network's only input."""


class Engine(Protocol):
    """A hashable, picklable description."""

    @property
    def name(self) -> str: ...

    def __hash__(self) -> int: ...

    def load(self) -> Run:
        """Raises ToolError or ModelError where it cannot run the model here."""
        ...


@dataclass(frozen=True, slots=True)
class HostEngine:
    """The emitted C as a shared library."""

    library: Path
    name: str = "host"

    def load(self) -> Run:
        from tinyml.build.host import HostModel

        model = HostModel(self.library)
        return lambda data: Inference(model.run([data])[0])


@dataclass(frozen=True, slots=True)
class EmulatorEngine:
    """Firmware on the emulated board; microseconds are modelled."""

    elf: Path
    board: Board = field(hash=False)
    name: str = "emulator"

    def load(self) -> Run:
        from tinyml.device.client import Client
        from tinyml.device.emulator import EmulatedBoard

        client = Client(EmulatedBoard(self.elf, self.board))
        client.connect()

        def run(data: bytes) -> Inference:
            client.put(0, data)
            time = client.run()
            return Inference(client.get(0), time.microseconds)

        return run


@dataclass(frozen=True, slots=True)
class LiteRtEngine:
    """A .tflite file in LiteRT, one thread, with the reference kernels or the fast ones."""

    model: Path
    reference: bool

    @property
    def name(self) -> str:
        return "litert-reference" if self.reference else "litert"

    def load(self) -> Run:
        interpreter = self._interpreter()
        given, taken = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

        def run(data: bytes) -> Inference:
            interpreter.set_tensor(given["index"], np.frombuffer(data, given["dtype"]).reshape(given["shape"]))
            interpreter.invoke()
            return Inference(np.ascontiguousarray(interpreter.get_tensor(taken["index"])).tobytes())

        return run

    def input_form(self) -> tuple[str, bool]:
        """numpy's name of the input's type, and whether channels go first."""
        return np.dtype(self._interpreter().get_input_details()[0]["dtype"]).str, False

    @staticmethod
    def require() -> None:
        """Loads LiteRT, and no model.

        Raises:
            ToolError: it is not installed.
        """
        try:
            import ai_edge_litert.interpreter  # noqa: F401
        except ImportError as e:
            raise ToolError("LiteRT is not installed", "python -m pip install ai-edge-litert") from e

    def _interpreter(self) -> Any:
        self.require()
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kind = OpResolverType.BUILTIN_REF if self.reference else OpResolverType.AUTO
        try:
            interpreter = Interpreter(str(self.model), experimental_op_resolver_type=kind, num_threads=1)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as e:
            raise ModelError(f"LiteRT cannot run {self.model.name}: {e}", "it runs .tflite files") from e
        return interpreter


@dataclass(frozen=True, slots=True)
class OnnxRuntimeEngine:
    """An .onnx file in ONNX Runtime, one thread."""

    model: Path
    name: str = "onnxruntime"

    def load(self) -> Run:
        session = self._session()
        given, taken = session.get_inputs()[0], session.get_outputs()[0]
        shape = [n if isinstance(n, int) else 1 for n in given.shape]
        dtype = self.input_form()[0]

        def run(data: bytes) -> Inference:
            array = np.frombuffer(data, dtype).reshape(shape)
            return Inference(np.ascontiguousarray(session.run([taken.name], {given.name: array})[0]).tobytes())

        return run

    def input_form(self) -> tuple[str, bool]:
        """As `LiteRtEngine.input_form`."""
        given = self._session().get_inputs()[0]
        kind = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}.get(given.type)
        if kind is None:
            raise ModelError(f"{self.model.name} takes {given.type}; expected pictures of float, uint8 or int8")
        return np.dtype(kind).str, len(given.shape) == 4 and given.shape[1] in (1, 3)

    def _session(self) -> Any:
        try:
            import onnxruntime
        except ImportError as e:
            raise ToolError("ONNX Runtime is not installed", "python -m pip install onnxruntime") from e
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            return onnxruntime.InferenceSession(str(self.model), options, providers=["CPUExecutionProvider"])
        except Exception as e:  # its errors share no base class
            raise ModelError(f"ONNX Runtime cannot run {self.model.name}: {e}", "it runs .onnx files") from e
