"""ONNX's own node tests through the frontend and the numpy interpreter, for every operation that we claim."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.test_case import TestCase

from tinyml.errors import ModelError
from tinyml.frontends.onnx.importer import build_graph
from tinyml.frontends.onnx.inputs import bind_inputs
from tinyml.frontends.onnx.reader import OLDEST_OPSET, read
from tinyml.frontends.onnx.registry import HANDLERS
from tinyml.ir.interpreter import run

# Of 659 cases that onnx 1.23 has for these operations; the others are forms that docs/operators.md leaves out (3-D,
# uint16, training, dilated pooling, axes of ReduceMax ...). Other versions of onnx have a few more or less.
PASSED = 500


def cases() -> Iterator[tuple[TestCase, list[np.ndarray], list[np.ndarray]]]:
    """Cases with inputs and expected outputs whose nodes we all claim and whose tensors are arrays of numpy's own
    types."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        for case in collect_testcases(None):
            if not all(n.op_type in HANDLERS and not n.domain for n in case.model.graph.node):
                continue
            for opset in case.model.opset_import:
                opset.version = max(opset.version, OLDEST_OPSET)  # the operation has not changed since
            for inputs, outputs in case.data_sets:
                arrays = [[np.asarray(a) for a in tensors] for tensors in (inputs, outputs)]
                if all(a.dtype.kind in "biuf" for a in (*arrays[0], *arrays[1])):
                    yield case, arrays[0], arrays[1]


def with_constants(
    model: onnx.ModelProto, inputs: Sequence[np.ndarray], dynamic: int
) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """The model with all but the first `dynamic` inputs made initializers, and what to feed the others."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    feeds = {}
    for i, (info, array) in enumerate(zip(model.graph.input, inputs, strict=True)):
        if i < dynamic:
            feeds[info.name] = array.astype(np.float32) if array.dtype.kind == "f" else array
        else:
            copy.graph.initializer.append(numpy_helper.from_array(array, info.name))
    return copy, feeds


def compute(model: onnx.ModelProto, inputs: Sequence[np.ndarray], path: Path) -> list[np.ndarray] | None:
    """The outputs; None where every form of the case is refused.

    The cases feed weights, shapes and axes at run time; we read those as constants, so that is tried first.
    """
    for dynamic in dict.fromkeys((min(1, len(inputs)), len(inputs), 0)):
        changed, feeds = with_constants(model, inputs, dynamic)
        path.write_bytes(changed.SerializeToString())
        try:
            file = read(path)
            graph = build_graph(file, bind_inputs(file, {}))  # load() would refuse batches
        except ModelError:
            continue
        with np.errstate(all="ignore"):
            return list(run(graph, feeds).outputs.values())
    return None


def agree(ours: np.ndarray, theirs: np.ndarray, relative: float, absolute: float) -> bool:
    if ours.shape != theirs.shape:
        return False
    if theirs.dtype.kind == "f":  # float16 and double are computed as float32
        return np.allclose(ours, theirs.astype(np.float32), relative, absolute, equal_nan=True)
    return ours.dtype == theirs.dtype and np.array_equal(ours, theirs)


def test_node_cases(tmp_path: Path) -> None:
    passed, refused, wrong = [], [], []
    for case, inputs, expected in cases():
        outputs = compute(case.model, inputs, tmp_path / "case.onnx")
        if outputs is None:
            refused.append(case.name)
        elif all(agree(a, b, case.rtol, case.atol) for a, b in zip(outputs, expected, strict=True)):
            passed.append(case.name)
        else:
            wrong.append(case.name)
    assert wrong == []
    if onnx.__version__.startswith("1.23."):
        assert (len(passed), len(passed) + len(refused)) == (PASSED, 659)
    assert len(passed) > 300
