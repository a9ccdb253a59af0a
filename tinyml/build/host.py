"""The emitted C as a shared library of this machine, and a model that runs in it."""

import ctypes
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tinyml.build.files import write_file, write_tree
from tinyml.build.firmware import header_folders, model_units, render_adapter
from tinyml.build.objects import Unit, compile_units
from tinyml.build.toolchain import find_host_toolchain, run_tool
from tinyml.emit.bundle import EmittedLayer, SourceBundle
from tinyml.emit.collect import Collector
from tinyml.resources import resource_dir
from tinyml.targets.core import CORES


def build_host_library(bundle: SourceBundle, out_dir: Path, *, trace: bool) -> Path:
    """Compiles the emitted C for this machine into out_dir (src/, host/ and the library).

    Args:
        trace: the library calls back after each layer (`HostModel.run_traced`).

    Raises:
        ToolError: no compiler, or it fails.
    """
    toolchain = find_host_toolchain()
    host = CORES["host"]
    write_tree(out_dir / "src", bundle.files)
    write_tree(out_dir / "host", {"model_adapter.c": render_adapter(bundle)})
    firmware = resource_dir("firmware")
    units = model_units(bundle, out_dir, ("TINYML_TRACE",) if trace else ())
    includes = (*header_folders(bundle, out_dir), firmware / "include")
    units.append(Unit(out_dir / "host", "model_adapter.c", includes))
    if trace:
        units.append(Unit(firmware, "trace.c"))
    objects = compile_units(toolchain, host, units)

    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    library = out_dir / f"{bundle.name}{'-trace' if trace else ''}{suffix}"
    driver = ("cc",) if toolchain.is_zig else ()
    with tempfile.TemporaryDirectory() as temporary:
        output = Path(temporary) / library.name
        run_tool([*toolchain.command, *driver, "-shared", "-o", str(output), *map(str, objects)], Path(temporary))
        write_file(library, output.read_bytes())
    return library


class _Model(ctypes.Structure):
    """tinyml_model_t of firmware/include/tinyml_model.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("sha256", ctypes.c_char_p),
        ("plan", ctypes.c_char_p),
        ("traced_layers", ctypes.c_uint32),
        ("input_preserved", ctypes.c_uint32),
        ("arena_count", ctypes.c_uint32),
        ("input_count", ctypes.c_uint32),
        ("output_count", ctypes.c_uint32),
        ("arena_bytes", ctypes.POINTER(ctypes.c_uint32)),
        ("input_bytes", ctypes.POINTER(ctypes.c_uint32)),
        ("output_bytes", ctypes.POINTER(ctypes.c_uint32)),
        ("arenas", ctypes.POINTER(ctypes.c_void_p)),
        ("init", ctypes.CFUNCTYPE(None)),
        ("input", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)),
        ("output", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)),
        ("run", ctypes.CFUNCTYPE(None)),
    )


_TraceFunction = ctypes.CFUNCTYPE(None, ctypes.c_int)


class HostModel:
    """A model in a shared library. It has one state: loading a library twice gives the same arenas.

    Attributes:
        name, sha256: of the model; input_bytes, output_bytes, arena_bytes: sizes of its tensors and arenas.
        input_preserved: a run leaves the inputs as they were.
    """

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library.resolve()))
        model = _Model.in_dll(self._library, "tinyml_model")
        self._model = model
        self.name: str = model.name.decode()
        self.sha256: str = model.sha256.decode()
        self.input_preserved = bool(model.input_preserved)
        self.arena_bytes: tuple[int, ...] = tuple(model.arena_bytes[: model.arena_count])
        self.input_bytes: tuple[int, ...] = tuple(model.input_bytes[: model.input_count])
        self.output_bytes: tuple[int, ...] = tuple(model.output_bytes[: model.output_count])

    def run(self, inputs: Sequence[bytes]) -> list[bytes]:
        """The outputs of one inference on a poisoned arena, in order.

        Raises:
            ValueError: a wrong number of inputs, or one of a wrong size.
        """
        sizes = tuple(len(data) for data in inputs)
        if sizes != self.input_bytes:
            raise ValueError(f"{self.name} takes inputs of {self.input_bytes} bytes, got {sizes}")
        for index, size in enumerate(self.arena_bytes):
            # What was not written shows: a kernel that reads it gives other results than the reference.
            ctypes.memset(self._model.arenas[index], 0xA5, size)
        self._model.init()
        for index, data in enumerate(inputs):
            ctypes.memmove(self._model.input(index), data, len(data))
        self._model.run()
        return [ctypes.string_at(self._model.output(i), size) for i, size in enumerate(self.output_bytes)]

    def run_traced(
        self, inputs: Sequence[bytes], layers: Sequence[EmittedLayer], arenas: Sequence[str]
    ) -> tuple[list[bytes], tuple[Mapping[str, bytes], ...]]:
        """`run`, and what each layer computed: value name -> bytes, in the order of the layers.

        Args:
            layers: of the bundle that the library was built from, with trace=True.
            arenas: names of the plan's arenas, in order.

        Raises:
            ValueError: as `run`; or the library was built without trace, or has other layers.
        """
        index_of = {name: index for index, name in enumerate(arenas)}
        unknown: list[int] = []

        def read(arena: str, offset: int, size: int) -> bytes:
            return ctypes.string_at(self._model.arenas[index_of[arena]] + offset, size)

        collector = Collector(layers, read)

        def after(index: int) -> None:
            if index >= len(layers):  # an exception would not leave a callback
                unknown.append(index)
            else:
                collector.after(index)

        set_trace = self._trace_setter()
        function = _TraceFunction(after)
        set_trace(function)
        try:
            outputs = self.run(inputs)
        finally:
            set_trace(_TraceFunction())
        if unknown or not collector.complete():
            raise ValueError(f"the library of {self.name} has other layers than were named: {unknown}")
        return outputs, collector.layers()

    def _trace_setter(self) -> Callable[[object], None]:
        try:
            setter = self._library.tinyml_trace_set
        except AttributeError:
            raise ValueError(f"the library of {self.name} was built without trace") from None
        setter.argtypes, setter.restype = (_TraceFunction,), None
        return setter
