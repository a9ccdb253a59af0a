"""tinyml from Python: `tinyml.compile(model, board=…)` gives a `Build` that runs, tells its costs and is saved.

The command line stands on the same stages (`tinyml.pipeline`), runs (`tinyml.execution`) and reports (`tinyml.report`).
"""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from tinyml.device.places import EMULATOR, is_port
from tinyml.errors import UsageError
from tinyml.execution import HOST, Execute, Outputs, infer, on_board, on_host
from tinyml.frontends import need_model
from tinyml.ir.graph import Graph, Value
from tinyml.pipeline import Compilation, Options, choose_objective, compile_model, need
from tinyml.quantize import Preprocess
from tinyml.quantize.calibration import Calibration, Given, input_of, load_input
from tinyml.report.built import Built
from tinyml.report.document import Report, make_report
from tinyml.report.folder import write_build
from tinyml.report.profile import ProfileDocument, profile_build
from tinyml.store import publish, refuse_foreign
from tinyml.targets import choose_target, parse_size
from tinyml.ways import default_ways

__all__ = ["Build", "Outputs", "compile"]


def compile(
    model: str | Path,
    *,
    board: str | Path | None = None,
    target: str | None = None,
    clock: Literal["full", "safe"] = "full",
    baud: int | None = None,
    via: Literal["onnx2tf"] | None = None,
    calibration: str | Calibration | None = None,
    preprocess: Preprocess | None = None,
    precision: Literal["int8", "w4a8", "mixed", "w8a16", "float32"] = "int8",
    effort: Literal["default", "high"] = "default",
    observer: str = "mse",
    cycles: int | None = None,
    min_sqnr: float | None = None,
    io: Literal["int8", "uint8", "float32"] = "int8",
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    objective: Literal["latency", "sram", "balanced"] | None = None,
    sram: int | str | None = None,
    flash: int | str | None = None,
    reserve_sram: int | str = 0,
    place: Sequence[str] = (),
    keep_input: bool = False,
    stream_input: bool = False,
    allow_recompute: float = 0.0,
    weights_growth: float | None = None,
    autotune: bool = False,
    name: str | None = None,
    labels: Sequence[str] = (),
    benchmark: str | None = None,
    trace: bool = False,
    toolchain: str | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> "Build":
    """Compiles a network. Every argument is the flag of that name of `tinyml build`.

    >>> import tinyml, tinyml.zoo
    >>> model = tinyml.zoo.save("autoencoder", folder / "autoencoder.onnx")
    >>> build = tinyml.compile(model, board="stm32h7", calibration=samples)
    >>> build.name, build.inputs["input"].shape, build.inputs["input"].dtype.value
    ('autoencoder', (1, 640), 'int8')

    Args:
        model: an .onnx or .tflite file; with TensorFlow installed also .keras, .h5 or a SavedModel folder.
        board: a board's id or alias, or a board file; the default is the command line's.
        target: a bare core (`cortex-m4`) instead of a board.
        clock, baud: of the board: its full speed, or the clock that it starts with; rate of its serial port.
        via: converts an .onnx file that our frontend does not take.
        calibration: what int8 ranges are chosen by. A path to a folder of pictures, a table of them (.csv), an .npz or an .npy
            file; an array whose first axis counts samples, or one for each input by name; samples, or a function that gives
            them, each an array, a list of arrays or arrays by name. Numbers are real, axes are the model file's. None: the
            outputs of a float model mean nothing.
        preprocess: how pictures become real numbers.
        cycles, min_sqnr: for precision "mixed".
        input_shapes: input name -> shape, where dimensions are free; "" names the only input.
        allow_recompute: percent of the network's work that may be computed again where that saves memory.
        weights_growth: percent of flash that weights may take beyond the model's own where that saves cycles; None: 2 where
            there is room for them, 5 KiB at least with the objectives "balanced" and "sram", and nothing with "flash".
        sram, flash, reserve_sram: bytes, or text such as "192K".
        place: wishes about regions of RAM, such as "input=dma", "arena=dtcm" or "auto".
        progress: called with what is under way.

    Raises:
        TinymlError: the model, an argument or a tool is at fault, or the network does not fit. Says what to do.
    """
    target_board = choose_target(
        board=None if board is None else str(board),
        core=target,
        sram_bytes=_bytes(sram),
        flash_bytes=_bytes(flash),
        clock=clock,
        baud=baud,
        place=place,
    )
    work_dir = Path(tempfile.mkdtemp(prefix="tinyml-"))
    try:
        options = Options(
            model=Path(model),
            board=target_board,
            work_dir=work_dir,
            name=name,
            precision=precision,
            effort=effort,
            observer=observer,
            cycles=cycles,
            min_sqnr=min_sqnr,
            objective=choose_objective(objective, limited=sram is not None),
            calibration=Path(calibration) if isinstance(calibration, str) else calibration,
            preprocess=preprocess,
            io=io,
            input_shapes={key: tuple(shape) for key, shape in (input_shapes or {}).items()},
            via=via,
            keep_input=keep_input,
            stream_input=stream_input,
            recompute=allow_recompute / 100,
            weights_growth=None if weights_growth is None else weights_growth / 100,
            reserve_sram=_bytes(reserve_sram) or 0,
            sram_limited=sram is not None,
            place=tuple(place),
            labels=tuple(labels),
            toolchain=toolchain,
            benchmark=benchmark,
            autotune=autotune,
            traced=trace,
        )
        need_model(options.model)
        build = Build(compile_model(options, on_stage=progress))
    except BaseException:
        shutil.rmtree(work_dir, ignore_errors=True)
        raise
    weakref.finalize(build, shutil.rmtree, work_dir, ignore_errors=True)
    return build


@dataclass(frozen=True, eq=False)
class Build:
    """A compiled network. What it was made of lives until it is let go; `save` keeps it.

    Attributes:
        compilation: what every stage made.
    """

    compilation: Compilation

    @property
    def name(self) -> str:
        """Of the network in C: prefix of everything that it defines."""
        return need(self.compilation.bundle).name

    @property
    def sources(self) -> Mapping[str, str]:
        """The emitted C: file name -> text."""
        return need(self.compilation.bundle).files

    @property
    def inputs(self) -> Mapping[str, Value]:
        """Name -> shape, type, scale and zero point, as the input is stored."""
        return {name: self._graph.value(name) for name in self._graph.inputs}

    @property
    def outputs(self) -> Mapping[str, Value]:
        """As `inputs`."""
        return {name: self._graph.value(name) for name in self._graph.outputs}

    @property
    def _graph(self) -> Graph:
        return need(self.compilation.schedule).graph

    @cached_property
    def _host(self) -> Execute:
        return on_host(need(self.compilation.bundle), self.compilation.options.work_dir / "host")

    def run(self, x: str | Path | Given, *, on: str = HOST) -> Outputs:
        """One inference.

        >>> outputs = build.run(samples[0])
        >>> (stored,), (real,) = outputs.stored.values(), outputs.real.values()
        >>> stored.dtype.name, real.dtype.name, real.shape
        ('int8', 'float32', (1, 640))
        >>> emulated = build.run(samples[0], on="emulator")
        >>> all((emulated.stored[name] == array).all() for name, array in outputs.stored.items())
        True

        Args:
            x: a picture, an .npz or an .npy file; or an array, a list of them or arrays by name, in the model file's order of
                axes. Arrays of the very type that an input is stored in are taken as stored numbers, all others as real ones.
            on: "host" (the C on this machine), "emulator", "qemu", or a serial port behind which the saved firmware runs.

        Raises:
            UsageError: the build has no firmware to run there.
            ToolError: no compiler; or the board runs something else.
            TinymlError: x is no input of the network.
        """
        done = self.compilation
        options, bundle = done.options, need(done.bundle)
        if isinstance(x, str | Path):
            sample = load_input(Path(x), self._graph, need(done.quantized).preprocess)
        else:
            sample = input_of(x, self._graph)
        if on == HOST:
            return infer(self._graph, self._host, sample)
        self._need_firmware()
        elf = None if is_port(on) else need(done.image).elf
        return infer(self._graph, on_board(on, elf, options.board, name=bundle.name, plan=bundle.sha256), sample)

    def profile(self, *, on: str = EMULATOR, runs: int = 5, warm_up: int = 1) -> ProfileDocument:
        """What inferences on noise cost, layer by layer; every figure says what kind it is.

        >>> profile = build.profile(runs=1)
        >>> profile.kinds.instructions, profile.kinds.cycles, len(profile.layers)
        ('counted', 'modelled', 10)

        Args:
            on: "emulator", "qemu" or a serial port.
            runs: inferences that count; warm_up: those before them.

        Raises:
            UsageError, ToolError: as `run`.
        """
        if runs < 1 or warm_up < 0:
            raise UsageError(f"{runs} runs after {warm_up} to warm up: expected 1 or more, after 0 or more")
        self._need_firmware()
        done = self.compilation
        built = Built(done.options.work_dir, self.report(), done.options.board, self._graph)
        return profile_build(built, on, runs, warm_up)

    def report(self) -> Report:
        """What the build is, costs and needs: what `tinyml build --json` prints.

        >>> memory = build.report().memory
        >>> memory.peak_sram_bytes == memory.arena_bytes + memory.stack_bytes + memory.static_bytes
        True
        """
        return make_report(self.compilation)

    def save(self, folder: str | Path, emit: Sequence[str] | None = None) -> Path:
        """Writes the folder that `tinyml build --out` writes, and returns it. It is written whole or not at all.

        >>> sorted(path.name for path in build.save(folder / "out").iterdir())
        ['board.json', 'firmware.bin', 'firmware.elf', 'firmware.hex', 'memory.html', 'report.json', 'src']

        Args:
            emit: keys of `tinyml.ways.WAYS`; None for what the board takes.

        Raises:
            UsageError: no way is called so; or the folder exists and is no build.
        """
        target = Path(folder)
        refuse_foreign(target)
        with tempfile.TemporaryDirectory(prefix="tinyml-") as temporary:
            fresh = Path(temporary) / "build"
            write_build(self.compilation, emit or default_ways(self.compilation.options.board), fresh)
            publish(fresh, target)
        return target

    def _need_firmware(self) -> None:
        board = self.compilation.options.board
        if not board.has_firmware:
            raise UsageError(f"{board.id} takes no firmware", 'on="host", or choose a board: tinyml boards')


def _bytes(size: int | str | None) -> int | None:
    return parse_size(size) if isinstance(size, str) else size
