"""Emitted .tflite models: LiteRT's reference kernels against the emitted C, byte for byte, and file sizes.

Float models are quantized to int8 here, without calibration. Their size is set against what TensorFlow's converter makes of
the same float network, where some interpreter has TensorFlow (`--tensorflow PYTHON`); that of a model that came as int8
.tflite against the file that came.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import Row, shared_folder, show, size
from golden import litert_reference, random_inputs

from tinyml.build.host import HostModel, build_host_library
from tinyml.emit.tflite import Description, emit_tflite
from tinyml.errors import ModelError
from tinyml.frontends import load_model
from tinyml.ir.ops import Op
from tinyml.passes import canonicalize
from tinyml.pipeline import Options, compile_model, need
from tinyml.quantize import prepare
from tinyml.targets import load_board

RUNS = 3
MARGIN = 1.05  # of the converter's file size
_CONVERTER = Path(__file__).with_name("tflite_converter.py")


def rows(python: Path | None) -> Iterator[Row]:
    folder = shared_folder()
    for path in sorted([*(folder / "models").rglob("*.tflite"), *(folder / "coverage").glob("*.onnx")]):
        try:
            graph = load_model(path)
        except ModelError:
            yield (path.stem, "not read", "", "", ""), None
            continue
        if any(node.op is Op.SVDF for node in graph.nodes):
            yield (path.stem, "LiteRT's reference cannot run SVDF", "", "", ""), None
            continue
        with tempfile.TemporaryDirectory() as work:
            yield compare(path, graph.is_quantized, python, Path(work))


def compare(path: Path, quantized: bool, python: Path | None, work: Path) -> Row:
    options = Options(path, load_board("host"), work, check_fit=False)
    done = compile_model(options, stop_after="emit")
    model = emit_tflite(need(done.quantized).graph, Description(path.stem))
    host = HostModel(build_host_library(need(done.bundle), work / "host", trace=False))
    total = differing = 0
    for seed in range(RUNS):
        inputs = random_inputs(model, seed)
        want = b"".join(np.ascontiguousarray(y).tobytes() for y in litert_reference(model, inputs))
        have = b"".join(host.run([x.tobytes() for x in inputs]))
        assert len(want) == len(have) > 0
        total += len(want)
        differing += sum(a != b for a, b in zip(want, have, strict=True))
    before = path.stat().st_size if quantized else converted(path, python, work)
    ratio = "" if before is None else f"{len(model) / before:.3f}"
    small = before is None or len(model) <= MARGIN * before
    return (
        path.stem,
        f"{differing} of {total:,}",
        size(len(model)),
        size(before or 0),
        ratio,
    ), differing == 0 and small


def converted(path: Path, python: Path | None, work: Path) -> int | None:
    """Bytes of the int8 model that TensorFlow's converter makes of the network in float32; None where it is not here, or
    refuses the network."""
    if python is None:
        return None
    given, taken = work / "float.tflite", work / "int8.tflite"
    try:
        real = prepare(canonicalize(load_model(path)), precision="float32").graph
        given.write_bytes(emit_tflite(real, Description(path.stem)))
    except ModelError:  # erf of real numbers
        return None
    done = subprocess.run([python, _CONVERTER, given, taken], capture_output=True, timeout=600, check=False)
    return taken.stat().st_size if done.returncode == 0 else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tensorflow", type=Path, metavar="PYTHON", help="an interpreter that has TensorFlow")
    chosen = parser.parse_args().tensorflow
    if chosen is None:
        print("sizes of TensorFlow's converter are skipped: no --tensorflow PYTHON")
    columns = ("model", "bytes that differ", "file", "converter's file", "ratio")
    sys.exit(show(f"LiteRT's reference against the emitted C, {RUNS} random inputs each", columns, rows(chosen)))
