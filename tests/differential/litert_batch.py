"""Runs many small models in LiteRT's reference kernels and in our interpreter, and compares what comes out.

LiteRT runs in a process of its own, one for a batch of models: its reference SVDF writes past its buffers, and may kill
the process that it is in.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tinyml.frontends.tflite import load
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.passes import canonicalize, lower

Arrays = list[np.ndarray]

_WORKER = Path(__file__).with_name("litert_worker.py")


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A model and the inputs of consecutive runs of it, states carried over.

    Attributes:
        states: indices of the tensors that are the network's states, in the order in which our graph has them.
    """

    name: str
    model: bytes
    runs: Sequence[Arrays]
    states: Sequence[int] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What LiteRT made of a case: the outputs of every run, then its states; or why it refuses the model."""

    runs: list[Arrays]
    error: str = ""


def litert_batch(cases: Sequence[Case], folder: Path) -> list[Answer]:
    """The answers of LiteRT's BUILTIN_REF resolver, all from one process."""
    pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT has no wheel for this system")
    given, taken = folder / "litert_in.npz", folder / "litert_out.npz"
    arrays: dict[str, np.ndarray] = {}
    for c, case in enumerate(cases):
        arrays[f"{c}/model"] = np.frombuffer(case.model, np.uint8)
        arrays[f"{c}/runs"] = np.array(len(case.runs))
        arrays[f"{c}/states"] = np.array(case.states, np.int64)
        for r, inputs in enumerate(case.runs):
            arrays |= {f"{c}/{r}/{i}": x for i, x in enumerate(inputs)}
    np.savez(given, **arrays)
    done = subprocess.run(
        [sys.executable, str(_WORKER), str(given), str(taken)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    with np.load(taken) as stored:
        names = set(stored.files)
        answers = []
        for c, case in enumerate(cases):
            if f"{c}/error" in names:
                answers.append(Answer([], str(stored[f"{c}/error"])))
                continue
            counts = [sum(name.startswith(f"{c}/{r}/") for name in names) for r in range(len(case.runs))]
            answers.append(Answer([[stored[f"{c}/{r}/{i}"] for i in range(n)] for r, n in enumerate(counts)]))
    return answers


def ours(graph: Graph, runs: Sequence[Arrays]) -> list[Arrays]:
    """The outputs of every run and then its states, from our interpreter."""
    results: list[Arrays] = []
    states: dict[str, np.ndarray] | None = None
    for inputs in runs:
        laid_out = [x.transpose(_layout(graph, name)) for name, x in zip(graph.inputs, inputs, strict=True)]
        result = run(graph, dict(zip(graph.inputs, laid_out, strict=True)), states=states)
        states = result.states
        outputs = [y.transpose(np.argsort(_layout(graph, name))) for name, y in result.outputs.items()]
        results.append([*outputs, *states.values()])
    return results


def _layout(graph: Graph, name: str) -> tuple[int, ...]:
    """Passes may move the axes of what goes in and out."""
    value = graph.value(name)
    return value.layout or tuple(range(len(value.shape)))


def assert_equal(cases: Sequence[Case], folder: Path, *, relative: float | None = None) -> None:
    """Our interpreter gives LiteRT's results, as the model is loaded and after all passes (lookup tables included).

    Args:
        relative: the error that is allowed, as a share of the output's largest magnitude; None where not a bit may differ.
    """
    problems = []
    for case, answer in zip(cases, litert_batch(cases, folder), strict=True):
        if answer.error:
            problems.append(f"{case.name}: LiteRT refuses it: {answer.error}")
            continue
        path = folder / "case.tflite"
        path.write_bytes(case.model)
        graph = load(path)
        forms = {"as loaded": graph, "after the passes": lower(canonicalize(graph))}
        for form, variant in forms.items():
            for i, (expected, actual) in enumerate(
                zip(_series(answer.runs), _series(ours(variant, case.runs)), strict=True)
            ):
                problem = difference(expected, actual, relative)
                if problem:
                    problems.append(f"{case.name}, {form}, array {i}: {problem}")
    assert not problems, f"{len(problems)} differ\n" + "\n".join(problems[:40])


def _series(runs: list[Arrays]) -> Arrays:
    """Each output over all runs, as one array."""
    return [np.stack(arrays) for arrays in zip(*runs, strict=True)]


def difference(expected: np.ndarray, actual: np.ndarray, relative: float | None = None) -> str:
    """What is wrong with `actual`, or nothing."""
    if (expected.shape, expected.dtype) != (actual.shape, actual.dtype):
        return f"{actual.dtype}{list(actual.shape)}, expected {expected.dtype}{list(expected.shape)}"
    a, b = expected.astype(np.float64), actual.astype(np.float64)
    limit = 0.0 if relative is None else relative * float(np.abs(a).max(initial=0.0))
    wrong = ~(np.abs(a - b) <= limit)
    if not wrong.any():
        return ""
    first = tuple(int(n) for n in np.argwhere(wrong)[0])
    return (
        f"{wrong.sum()} of {wrong.size} differ by up to {np.abs(a - b).max():g}; "
        f"at {first}: {actual[first]}, expected {expected[first]}"
    )
