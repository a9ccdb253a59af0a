"""Emitted sources + a board -> firmware.elf, .bin and .hex."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tinyml.build.benchmark import benchmark_commands
from tinyml.build.elf import read_sizes, to_binary, to_intel_hex, with_crcs
from tinyml.build.files import write_file, write_tree
from tinyml.build.image import FirmwareImage, ToolchainInfo
from tinyml.build.objects import Unit, compile_units, runtime_library
from tinyml.build.placed import Placed, placed_blocks
from tinyml.build.toolchain import Toolchain, run_tool
from tinyml.emit.bundle import SourceBundle
from tinyml.emit.templates import environment
from tinyml.errors import DoesNotFitError, ToolError
from tinyml.resources import resource_dir
from tinyml.targets.board import Board

_WEIGHTS_SECTION = 'TINYML_WEIGHTS_SECTION=__attribute__((section(".tinyml_weights")))'
# What GNU ld and LLD say of a region that is full.
_OVERFLOW = re.compile(r"region ['`](\w+)'[^\n]*? overflowed by (\d+) bytes")
_TRACE = "TINYML_TRACE"
_SECTION = "TINYML_SECTION(name)=__attribute__((section(name)))"


def build_firmware(
    bundle: SourceBundle,
    board: Board,
    toolchain: Toolchain,
    out_dir: Path,
    *,
    benchmark: str | None = None,
    traced: bool = False,
) -> FirmwareImage:
    """Writes src/ (the emitted C), firmware/ (what else was generated for this build), firmware.elf, .bin and .hex.

    The same inputs give the same bytes, wherever they are built. An interrupted build leaves no half-written file.

    Args:
        benchmark: the MLPerf Tiny benchmark that the firmware runs, a key of BENCHMARKS: then it takes inputs as the
            benchmark's runner sends them, and keeps a copy where a run overwrites its input.
        traced: the firmware can also tell the cycles of each layer and send any tensor (`layers`, `tensor`).

    Raises:
        ToolError: the board takes no firmware; the model is not the benchmark's; or compiler or linker fail.
        DoesNotFitError: the program is larger than a region of the board; says by how much.
    """
    if not board.has_firmware:
        raise ToolError(f"{board.id} takes no firmware", "emit C, or choose a board: tinyml boards")
    commands = benchmark_commands(bundle, benchmark)
    placed = placed_blocks(bundle, board, commands.copy_bytes)
    write_tree(out_dir / "src", bundle.files)
    write_tree(
        out_dir / "firmware",
        {
            "board_config.h": render_firmware("board_config.h.j2", board=board),
            "link.ld": render_firmware(
                "link.ld.j2", board=board, link=board.link, regions=_linked_regions(board, placed), placed=placed
            ),
            "model_adapter.c": render_adapter(bundle, traced=traced),
            "benchmark.c": render_firmware("benchmark.c.j2", **commands.context),
        },
    )
    definitions = (_WEIGHTS_SECTION, _TRACE) if traced else (_WEIGHTS_SECTION,)
    model = model_units(bundle, out_dir, definitions, (resource_dir("firmware") / "libc",))
    firmware = firmware_units(bundle, board, out_dir, traced=traced)
    objects = compile_units(toolchain, board.core, [*model, *firmware])
    library = runtime_library(toolchain, board.core)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = []
        for index, (unit, compiled) in enumerate(zip([*model, *firmware], objects, strict=True)):
            # The link script tells model from firmware by these folders.
            part = "model" if index < len(model) else "firmware"
            names.append(f"{part}/{index:03d}_{Path(unit.path).stem}.o")
            (folder / part).mkdir(exist_ok=True)
            shutil.copyfile(compiled, folder / names[-1])
        shutil.copyfile(out_dir / "firmware" / "link.ld", folder / "link.ld")
        if library is not None:
            shutil.copyfile(library, folder / "rt.a")
        _link(toolchain, board, names, folder)
        elf = with_crcs((folder / "firmware.elf").read_bytes())

    outputs = {"elf": elf, "bin": to_binary(elf), "hex": to_intel_hex(elf)}
    paths = {suffix: out_dir / f"firmware.{suffix}" for suffix in outputs}
    for suffix, data in outputs.items():
        write_file(paths[suffix], data)
    info = ToolchainInfo(toolchain.name, toolchain.version, toolchain.cflags(board.core))
    return FirmwareImage(paths["elf"], paths["bin"], paths["hex"], read_sizes(elf), info, board, bundle)


def model_units(
    bundle: SourceBundle, out_dir: Path, definitions: tuple[str, ...], includes: tuple[Path, ...] = ()
) -> list[Unit]:
    """The emitted C files, as `write_tree` put them into out_dir/src."""
    root = out_dir / "src"
    headers = header_folders(bundle, out_dir)
    return [Unit(root, path, (*headers, *includes), definitions) for path in bundle.sources]


def header_folders(bundle: SourceBundle, out_dir: Path) -> list[Path]:
    """Where the emitted headers are, as `write_tree` put them into out_dir/src."""
    return list(dict.fromkeys((out_dir / "src" / path).parent for path in bundle.files if path.endswith(".h")))


def render_adapter(bundle: SourceBundle, *, traced: bool = False) -> str:
    """The C file that shows the model to firmware and host under the names of tinyml_model.h."""
    graph = bundle.plan.schedule.graph
    return render_firmware(
        "model_adapter.c.j2",
        name=bundle.name,
        prefix=bundle.name.upper(),
        plan=bundle.sha256,
        traced_layers=len(bundle.layers) if traced else 0,
        arenas=len(bundle.plan.arenas),
        inputs=len(graph.inputs),
        outputs=len(graph.outputs),
        feeds=bundle.plan.schedule.stream_input,
        suffix=lambda index, count: f"_{index}" if count > 1 else "",
    )


def firmware_units(bundle: SourceBundle, board: Board, out_dir: Path, *, traced: bool = False) -> list[Unit]:
    """What runs around the model: firmware/ of tinyml, and what `build_firmware` generates into out_dir/firmware."""
    root = resource_dir("firmware")
    assert board.uart is not None
    paths = (
        "startup/cortex_m.c",
        "main.c",
        "protocol/benchmark.c",
        "lib/crc32.c",
        "lib/mem.c",
        "lib/parse.c",
        "lib/text.c",
        *(() if board.boot is None else (f"boot/{board.boot}.c",)),
        f"clock/{board.startup}.c",
        f"timer/{board.timer}.c",
        f"uart/{board.uart.driver}.c",
    )
    generated = out_dir / "firmware"
    includes = (root / "include", root / "libc", generated)
    adapter = Unit(generated, "model_adapter.c", (*header_folders(bundle, out_dir), *includes), (_SECTION,))
    commands = Unit(generated, "benchmark.c", includes, small=True)
    protocol = [Unit(root, "protocol/protocol.c", includes, (_TRACE,) if traced else (), small=True)]
    if traced:
        layers = f"TINYML_LAYERS={max(1, len(bundle.layers))}"  # C has no arrays of no elements
        protocol.append(Unit(root, "protocol/trace.c", includes, (layers,), small=True))
    # Kernels copy and fill memory; nothing else of the firmware runs during an inference.
    return [*(Unit(root, path, includes, small=path != "lib/mem.c") for path in paths), *protocol, adapter, commands]


def _linked_regions(board: Board, placed: Sequence[Placed]) -> list[object]:
    used = {board.link.code, board.link.stack, board.link.data, *(block.region for block in placed)}
    return [region for region in board.regions if region.name in used]


def _link(toolchain: Toolchain, board: Board, objects: list[str], folder: Path) -> None:
    try:
        run_tool(_link_command(toolchain, board, objects), folder)
    except ToolError as error:
        full = _OVERFLOW.findall(str(error))
        if not full:
            raise
        region, excess = max(full, key=lambda match: int(match[1]))
        raise DoesNotFitError(
            f"the firmware does not fit on {board.id}: region {region} "
            f"({board.region(region).bytes:,} bytes) is too small by {int(excess):,} bytes"
        ) from error


def _link_command(toolchain: Toolchain, board: Board, objects: list[str]) -> list[str]:
    script = ("-T", "link.ld", "-o", "firmware.elf")
    options = ("--nmagic", "--gc-sections", "--build-id=none")
    if toolchain.is_zig:
        return [*toolchain.command, "ld.lld", "-m", "armelf", *options, *script, *objects, "rt.a"]
    machine = ("-mthumb", *board.core.gcc_flags, "-nostdlib", "-nostartfiles")
    return [*toolchain.command, *machine, *(f"-Wl,{option}" for option in options), *script, *objects, "-lgcc"]


def render_firmware(template: str, **context: object) -> str:
    """A template of firmware/."""
    return environment(resource_dir("firmware")).get_template(template).render(**context)
