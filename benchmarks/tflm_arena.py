"""The bundles for TFLite Micro: built against a checkout and run on this machine, and the arena that they state.

Each must run with that arena, and must not with 10/11 of it: the figure is then at most a tenth above the least. With
`--library` the checkout's own build is linked, otherwise the bundle's CMake builds one, which takes some minutes.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from common import Row, shared_folder, show, size

from tinyml.emit.tflm import emit_tflm
from tinyml.frontends import load_model
from tinyml.passes import canonicalize
from tinyml.quantize import prepare

MODELS = (
    *(f"mlperf_tiny/{name}" for name in ("ad01_fp32", "ic_resnet8_float", "kws_dscnn_float", "vww_96_float")),
    *(f"mlperf_tiny/{name}" for name in ("ad01_int8", "ic_resnet8_int8", "kws_dscnn_int8", "vww_96_int8")),
    *(f"wake_vision/mcunet-vww{n}" for n in (0, 1, 2)),
    *("wake_vision/mobilenetv2-025", "tflite_micro/person_detect", "tflite_micro/keyword_scrambled_8bit"),
)


def rows(tflm: Path, library: Path | None, work: Path) -> Iterator[Row]:
    models = shared_folder() / "models"
    for name in MODELS:
        graph = prepare(canonicalize(load_model(models / f"{name}.tflite"))).graph
        folder = work / name
        files = dict(emit_tflm(graph, "net"))
        least = _ran(build(files, folder / "whole", tflm, library))
        library = library or next((folder / "whole" / "build").rglob("*tflm*.a"), None)
        match = re.search(r"ArenaBytes = .* : (\d+);", files["net_model.h"])
        assert match is not None
        stated = int(match[1])
        files["net_model.h"] = files["net_model.h"].replace(match[1], str(stated * 10 // 11 // 16 * 16))
        smaller = _ran(build(files, folder / "less", tflm, library))
        cells = (name, size(stated), size(least) if least else "fails", "runs" if smaller else "refused")
        yield cells, bool(least) and not smaller


def build(files: dict[str, str], folder: Path, tflm: Path, library: Path | None) -> Path:
    folder.mkdir(parents=True)
    for path, text in files.items():
        (folder / path).write_text(text)
    linked = [f"-DTFLM_LIBRARY={library}"] if library else []
    for command in (
        ["cmake", "-S", str(folder), "-B", str(folder / "build"), f"-DTFLM_DIR={tflm}", *linked],
        ["cmake", "--build", str(folder / "build")],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "build" / "net"


def _ran(program: Path) -> int:
    """Bytes of the arena in use after a run; 0 where it fails."""
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    used = re.search(r"(\d+) in use", done.stderr + done.stdout)
    return int(used[1]) if done.returncode == 0 and used else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--tflm", type=Path, required=True, help="checkout of tensorflow/tflite-micro, with its third parties"
    )
    parser.add_argument("--library", type=Path, help="libtensorflow-microlite.a, built of it for this machine")
    given = parser.parse_args()
    columns = ("model", "arena stated", "in use after it", "with 10/11 of it")
    with tempfile.TemporaryDirectory() as work:
        sys.exit(
            show(
                "TFLite Micro, reference kernels, on this machine",
                columns,
                rows(given.tflm.resolve(), given.library, Path(work)),
            )
        )
