"""Emitted C as what other people's builds take: folders for CMake, STM32CubeIDE, Arduino, Zephyr and ESP-IDF.

A way is a folder of templates, codegen/packages/<way>/, which lays out the package: `a/NAME.txt.j2` becomes `a/<name>.txt`,
and a template that renders to nothing gives no file. Beside them stand the emitted C and `app_<name>`, the same everywhere.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from tinyml import __version__
from tinyml.emit.bundle import SourceBundle
from tinyml.emit.c.context import arena_contexts, port_contexts
from tinyml.emit.c.emitter import Identity
from tinyml.emit.c.text import comment_text
from tinyml.emit.templates import environment
from tinyml.resources import resource_dir
from tinyml.targets import Board, list_boards

PLATFORM_STACK = 2048
"""Bytes that a task's stack is given beyond what the network takes: printf and interrupts."""
USUAL_STACK = 1024
"""What a network is taken to need of the stack where it was not measured; more than any that we measured."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a package has its C.

    Attributes:
        meaning: what the package is, in a few words for people.
        headers: folder of those that an application includes.
        sources: folder of everything else.
        private_headers: folder of the kernels' headers.
        cores: how the names of cores begin that it is for; any where there are none.
    """

    meaning: str
    headers: str
    sources: str
    private_headers: str
    cores: tuple[str, ...] = ()


LAYOUTS: Mapping[str, Layout] = {
    "cmake": Layout("a folder for CMake's add_subdirectory", "include", "src", "src"),
    "stm32cube": Layout("a folder for an STM32CubeIDE project", "Inc", "Src", "Inc", ("cortex-m",)),
    "arduino": Layout("an Arduino library", "src", "src", "src"),
    "zephyr": Layout("a Zephyr module", "include", "src", "src"),
    "esp-idf": Layout("an ESP-IDF component", "include", "src", "src", ("xtensa", "rv32")),
}


def emit_package(
    way: str, bundle: SourceBundle, identity: Identity, board: Board, stack_bytes: int | None = None
) -> Mapping[str, str]:
    """The files of a package, by their path in its folder. The same arguments give the same bytes.

    Args:
        way: a key of LAYOUTS.
        identity: what the bundle was emitted with.
        stack_bytes: what a run takes of the stack, where that was measured.
    """
    templates = environment(resource_dir("codegen") / "packages")
    context = _context(bundle, identity, board, stack_bytes)
    app = {
        f"app_{bundle.name}.{kind}": templates.get_template(f"common/app.{kind}.j2").render(context) for kind in "hc"
    }
    layout = LAYOUTS[way]
    public = (*bundle.headers, f"app_{bundle.name}.h")
    files = {f"{_folder(layout, path, public)}/{path}": text for path, text in {**bundle.files, **app}.items()}
    for template in templates.list_templates(filter_func=lambda path: path.startswith(f"{way}/")):
        text = templates.get_template(template).render(context)
        if text.strip():
            path = template.removeprefix(f"{way}/").removesuffix(".j2").replace("NAME", bundle.name)
            files[path] = text
    return files


def _folder(layout: Layout, path: str, public: Collection[str]) -> str:
    if not path.endswith(".h"):
        return layout.sources
    return layout.headers if path in public else layout.private_headers


def _context(bundle: SourceBundle, identity: Identity, board: Board, stack_bytes: int | None) -> dict[str, object]:
    name, plan = bundle.name, bundle.plan
    graph = plan.schedule.graph
    arenas = arena_contexts(plan)
    members = {arena.name: context.member for arena, context in zip(plan.arenas, arenas, strict=True)}
    own = [path for path in bundle.sources if PurePosixPath(path).stem in (name, f"{name}_weights", f"{name}_pixels")]
    return {
        "name": name,
        "macro": name.upper(),
        "version": __version__,
        "identity": identity,
        "model_file": comment_text(identity.model_file),
        "target": comment_text(identity.target),
        "board": board.short_name,
        "core": board.core.name,
        "gcc_flags": board.core.gcc_flags,
        "caches": board.core.has_caches,
        "machine": _machine(board),
        "arenas": arenas,
        "ram_bytes": sum(arena.bytes for arena in arenas),
        "stack_bytes": stack_bytes,
        "task_stack": PLATFORM_STACK + -(-(stack_bytes or USUAL_STACK) // 8) * 8,
        "inputs": port_contexts(plan, graph.inputs, members),
        "outputs": port_contexts(plan, graph.outputs, members),
        "streamed": plan.schedule.stream_input,
        "pictures": f"{name}_pixels.h" in bundle.files,
        "crop": identity.preprocess is not None and identity.preprocess.fit == "crop",
        "macs": sum(layer.macs for layer in bundle.layers),
        "weights_bytes": bundle.weights_bytes,
        "parameters_bytes": bundle.parameters_bytes,
        "sources": [*bundle.sources, f"app_{name}.c"],
        "own_sources": [*own, f"app_{name}.c"],
        "kernels": [path for path in bundle.sources if path not in own],
    }


def _machine(board: Board) -> str | None:
    """QEMU's machine that runs programs of this core from address 0, where the linker's own script puts them and where the
    MPS2 boards have RAM; None where there is none."""
    for other in list_boards():
        machine = other.qemu_machine
        if machine is not None and machine.startswith("mps2") and other.core == board.core:
            return machine if other.region(other.link.code).address == 0 else None
    return None
