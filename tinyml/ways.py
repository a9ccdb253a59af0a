"""The ways in which a network leaves: `tinyml build --emit NAME`.

A way gives the files that it adds to the build's folder. The emitters themselves are below `tinyml.emit`; here is only which
of a compilation's artifacts each of them takes, and the folder that it fills.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tinyml.build.files import write_file
from tinyml.build.library import BENCHMARK, build_library
from tinyml.emit.packages import LAYOUTS, emit_package
from tinyml.emit.tflite import Description, emit_tflite
from tinyml.emit.tflm import emit_tflm
from tinyml.errors import UsageError
from tinyml.pipeline import Compilation, identity_of, need
from tinyml.store import BOARD
from tinyml.targets import Board, list_boards
from tinyml.targets.stored import board_document

Files = Mapping[str, bytes]
"""Path below the build's folder -> content."""


@dataclass(frozen=True, slots=True)
class Way:
    """
    Attributes:
        meaning: what it gives, in a few words for people.
        files: called with a compilation that went through all stages that its board has.
        takes_firmware: the board must take firmware.
        cores: how the name of the board's core may begin; any core where there are none.
        on_board: what it gives is C for the board: it must fit there, and is linked and measured. Otherwise all files are in
            a folder of the way's name.
        programs: files whose names end so may be executed.
    """

    meaning: str
    files: Callable[[Compilation], Files]
    takes_firmware: bool = False
    cores: tuple[str, ...] = ()
    on_board: bool = True
    programs: str | None = None


def _sources(done: Compilation) -> Files:
    return {f"src/{path}": text.encode() for path, text in need(done.bundle).files.items()}


def _firmware(done: Compilation) -> Files:
    image = need(done.image)
    board = json.dumps(board_document(image.board), indent=2) + "\n"
    linked = {file.name: file.read_bytes() for file in (image.elf, image.bin, image.hex)}
    return {**_sources(done), **linked, BOARD: board.encode()}


def _package(way: str, done: Compilation) -> Files:
    bundle = need(done.bundle)
    stack_bytes = None if done.profile is None else done.profile.stack_bytes
    files = emit_package(way, bundle, identity_of(done), done.options.board, stack_bytes)
    return {f"{way}/{bundle.name}/{path}": text.encode() for path, text in files.items()}


def _description(done: Compilation) -> Description:
    identity = identity_of(done)
    return Description(identity.name, identity.preprocess, identity.labels)


def _tflite(done: Compilation) -> Files:
    model = emit_tflite(need(done.quantized).graph, _description(done))
    return {f"tflite/{need(done.bundle).name}.tflite": model}


def _tflite_float16(done: Compilation) -> Files:
    graph = need(done.quantized).graph
    if graph.is_quantized:
        raise UsageError("--emit tflite-float16: the network computes on integers", "add --precision float32")
    model = emit_tflite(graph, _description(done), half=True)
    return {f"tflite-float16/{need(done.bundle).name}.tflite": model}


def _tflm(done: Compilation) -> Files:
    identity = identity_of(done)
    files = emit_tflm(need(done.quantized).graph, identity.name, identity.warning)
    return {f"tflm/{path}": text.encode() for path, text in files.items()}


def _library(done: Compilation) -> Files:
    bundle = need(done.bundle)
    library = build_library(bundle, done.options.board, done.options.work_dir / "library")
    headers = {path: text.encode() for path, text in bundle.files.items() if path in bundle.headers}
    return {
        **_sources(done),
        **headers,
        **{file.name: file.read_bytes() for file in (library.archive, library.benchmark)},
    }


WAYS: dict[str, Way] = {
    "firmware": Way("firmware for the board, and its C", _firmware, takes_firmware=True),
    "c": Way("a C library", _sources),
    **{way: Way(layout.meaning, partial(_package, way), cores=layout.cores) for way, layout in LAYOUTS.items()},
    "tflite": Way("a model for LiteRT and TFLite Micro", _tflite, on_board=False),
    "tflm": Way("sources for TFLite Micro", _tflm, on_board=False),
    "tflite-float16": Way("the same of a float32 build, weights in 16 bits", _tflite_float16, on_board=False),
    "library": Way("a static library for a phone or this machine, and a benchmark of it", _library, programs=BENCHMARK),
}


def default_ways(board: Board) -> tuple[str, ...]:
    """What a board takes."""
    return ("firmware",) if board.has_firmware else ("library",) if board.core.hosted else ("c",)


def check_ways(names: Iterable[str], board: Board) -> None:
    """Refuses, before anything is compiled, what a board does not take.

    Raises:
        UsageError: no way is called so, the board takes no firmware, or the way is for other cores.
    """
    for name in names:
        if name not in WAYS:
            raise UsageError(f"no way is called {name!r}; expected one of {', '.join(WAYS)}")
        way = WAYS[name]
        if way.takes_firmware and not board.has_firmware:
            raise UsageError(f"{board.id} takes no firmware", "take the way c, or choose a board: tinyml boards")
        if way.cores and not board.core.name.startswith(way.cores):
            fitting = (b.short_name for b in list_boards() if b.core.name.startswith(way.cores))
            raise UsageError(
                f"the way {name} is not for {board.core.name}, the core of {board.id}", f"boards: {', '.join(fitting)}"
            )


def write_ways(done: Compilation, names: Iterable[str], folder: Path) -> None:
    """Writes what ways give, by their names, below a folder.

    Raises:
        UsageError: as `check_ways`.
    """
    names = tuple(names)
    check_ways(names, done.options.board)
    for name in names:
        for path, content in WAYS[name].files(done).items():
            write_file(folder / path, content)
            if (suffix := WAYS[name].programs) is not None and path.endswith(suffix):
                (folder / path).chmod(0o755)
