"""RAM that inferences really used, of every int8 model: the arena against its plan, the stack against its bound."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from common import Row, shared_folder, show, size

from tinyml.build.stack import call_bound, stack_bound
from tinyml.errors import ModelError
from tinyml.pipeline import Options, compile_model, need
from tinyml.profile import profile_emulated
from tinyml.targets import generic_target

CORES = ("cortex-m7", "cortex-m3", "cortex-m0")


def rows() -> Iterator[Row]:
    models = shared_folder() / "models"
    for path in sorted(models.rglob("*.tflite")):
        name = path.relative_to(models).with_suffix("").as_posix()
        for core in CORES:
            try:
                yield row(path, name, core)
            except ModelError:
                yield (name, core, *[""] * 5), None
                break


def row(path: Path, name: str, core: str) -> Row:
    board = generic_target(core, 4 << 20, 4 << 20)
    with tempfile.TemporaryDirectory() as folder:
        done = compile_model(Options(path, board, Path(folder)), stop_after="build")
        image, planned = need(done.image), need(done.plan).peak_bytes
        seen, bound = profile_emulated(image), stack_bound(image.elf, board)
        model = call_bound(image.elf, f"{image.bundle.name}_run").bytes
    cells = (size(planned), size(seen.arena_bytes), size(bound), size(seen.stack_bytes), size(model))
    return (name, core, *cells), seen.arena_bytes == planned and seen.stack_bytes <= bound


if __name__ == "__main__":
    columns = ("model", "core", "arena planned", "observed", "stack bound", "observed", "bound of the model alone")
    sys.exit(show("RAM in bytes", columns, rows()))
