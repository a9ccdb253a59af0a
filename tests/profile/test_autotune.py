"""Selection by counting: that counts are those of the network, decide, are kept, and are shown."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinyml.build.toolchain import Toolchain, find_toolchain
from tinyml.cli.main import main
from tinyml.errors import ToolError
from tinyml.frontends import load_model
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.ops import Conv2dAttrs, Op
from tinyml.ir.quant import QuantParams
from tinyml.kernels.registry import candidates
from tinyml.passes import canonicalize, lower
from tinyml.pipeline import Options, compile_model, need
from tinyml.profile import autotune, count_candidates
from tinyml.schedule import schedule
from tinyml.schedule.model import Counted, Objective
from tinyml.targets import CORES, Board, generic_target

Trial = autotune._Trial
pytestmark = pytest.mark.emulated

BOARD = generic_target("cortex-m7", 1 << 18, 1 << 20)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """A network of convolutions, quantized."""
    done = compile_model(Options(_model(tmp_path_factory.mktemp("zoo")), BOARD, Path()), stop_after="quantize")
    return lower(need(done.quantized).graph)


def _model(folder: Path) -> Path:
    path = folder / "kws.onnx"
    assert main(["zoo", "ds_cnn", "-o", str(path), "-q"]) == 0
    return path


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with compiled objects but without counts."""
    counts = tmp_path / "counts"
    monkeypatch.setattr(autotune, "_entry", lambda key: counts / f"{key}.json")
    return counts


def test_a_trial_costs_what_the_layer_does(fresh: Path, tmp_path: Path) -> None:
    done = compile_model(
        Options(_model(tmp_path), BOARD, tmp_path / "work", autotune=True, objective=Objective.LATENCY)
    )
    spent = {layer.function: layer for layer in need(done.profile).layers}
    compared = 0
    for layer in need(done.bundle).layers:
        taken = need(done.schedule).selections[layer.node].candidates[0]
        assert taken.symbol == layer.kernel
        if taken.counted is not None:
            assert taken.counted.instructions == pytest.approx(spent[layer.function].instructions, rel=0.02)
            assert taken.counted.cycles == pytest.approx(spent[layer.function].cycles, rel=0.02)
            compared += 1
    assert compared >= 9  # all convolutions of the network have a choice


def test_the_least_count_decides_whatever_was_predicted(graph: Graph) -> None:
    node = _trials(graph)[0].node
    able = [kernel for kernel, why in candidates(node, graph, BOARD.core.isa) if why is None]
    predicted = schedule(graph, BOARD.core.isa).selections[node.name]
    slowest = max(able, key=lambda kernel: kernel.cost(node, graph))
    assert predicted.kernel.symbol != slowest.symbol
    counts = {(node.name, slowest.symbol): Counted(9, 100), (node.name, predicted.kernel.symbol): Counted(9, 101)}
    chosen = schedule(graph, BOARD.core.isa, counts=counts).selections[node.name]
    assert chosen.kernel.symbol == slowest.symbol
    assert chosen.reason == "100 cycles modelled, the least of 2"
    assert chosen.candidates[0].counted == Counted(9, 100)
    assert (predicted.kernel.symbol, "101 cycles modelled") in chosen.rejected
    # A core without a model has instructions only.
    counts = {key: replace(count, cycles=None) for key, count in counts.items()}
    counts[node.name, slowest.symbol] = Counted(10, None)
    assert schedule(graph, BOARD.core.isa, counts=counts).selections[node.name].kernel.symbol == predicted.kernel.symbol


def test_kernels_of_larger_weights_are_counted_where_weights_may_grow(fresh: Path, tmp_path: Path) -> None:
    b = GraphBuilder("g")
    q = QuantParams.per_tensor(0.1, 0)
    x = b.input("x", (1, 4, 4, 4), DType.INT8, q)
    w = b.constant("w", np.ones((4, 3, 3, 4), np.int8), QuantParams.per_tensor(0.01, 0))
    graph = b.build([b.node(Op.CONV2D, [x, w], Conv2dAttrs(padding=((1, 1), (1, 1))), quant=q)])
    counts = count_candidates(graph, BOARD, find_toolchain(None), tmp_path, more_weights=1 << 20)
    larger = (graph.nodes[0].name, "tinyml_conv_winograd_s8_dsp")
    assert larger in counts
    assert larger[1] not in {trial.kernel.symbol for trial in _trials(graph)}
    counts = {**counts, larger: Counted(1, 1)}
    chosen = [
        schedule(graph, BOARD.core.isa, counts=counts, more_weights=n).selections[larger[0]] for n in (0, 1 << 10)
    ]
    assert [selection.kernel.symbol == larger[1] for selection in chosen] == [False, True]


def _trials(graph: Graph) -> list[Trial]:
    toolchain = find_toolchain(None)
    return [trial for node in graph.nodes for trial in autotune._trials(node, graph, BOARD, toolchain)]


def test_counts_are_kept_and_damaged_ones_are_made_again(
    graph: Graph, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolchain = find_toolchain(None)
    first = count_candidates(graph, BOARD, toolchain, tmp_path / "first")
    kept = sorted(fresh.iterdir())
    assert len(kept) == len({trial.key for trial in _trials(graph)}) < len(first)  # layers of one shape share
    for damage in (b"", b"[]", b'{"instructions": "many", "cycles": 1}'):
        kept[0].write_bytes(damage)
        again = count_candidates(graph, BOARD, toolchain, tmp_path / "again")
        assert {key: count.instructions for key, count in again.items()} == {
            key: count.instructions for key, count in first.items()
        }
        assert again.keys() == first.keys()
        # The emulator parts blocks at borders of pages, and each starts on an empty pipeline: where a loop lies across one
        # decides a cycle a turn. Other trials move the code.
        for key in first:
            assert again[key].cost == pytest.approx(first[key].cost, rel=0.03), key
    built: list[object] = []
    monkeypatch.setattr(autotune, "_build", lambda *arguments: built.append(arguments))
    assert count_candidates(graph, BOARD, toolchain, tmp_path / "kept") == again
    assert built == []


@pytest.mark.parametrize(
    "change",
    [
        lambda board, toolchain: (replace(board, core=CORES["cortex-m4"]), toolchain),
        lambda board, toolchain: (board, replace(toolchain, version="another")),
        lambda board, toolchain: (_slower(board), toolchain),
    ],
    ids=["core", "compiler", "memory"],
)
def test_what_matters_is_in_the_key(
    graph: Graph, change: Callable[[Board, Toolchain], tuple[Board, Toolchain]]
) -> None:
    toolchain = find_toolchain(None)

    def keys(board: Board, toolchain: Toolchain) -> set[str]:
        return {t.key for node in graph.nodes for t in autotune._trials(node, graph, board, toolchain)}

    assert keys(BOARD, toolchain).isdisjoint(keys(*change(BOARD, toolchain)))


def _slower(board: Board) -> Board:
    return replace(board, regions=tuple(replace(r, wait_cycles=r.wait_cycles + 1) for r in board.regions))


def test_kernels_are_chosen_anew_for_a_core_without_multiply_accumulate(shared: Path, tmp_path: Path) -> None:
    """On the Cortex-M3 formulas err where counts do not: whatever is chosen, counting never makes a network slower."""
    model = shared / "models" / "tflite_micro" / "person_detect.tflite"
    spent = []
    for tuned in (False, True):
        options = Options(model, generic_target("cortex-m3", 1 << 18, 1 << 20), tmp_path / str(tuned), autotune=tuned)
        spent.append(need(compile_model(options).profile).instructions)
    assert spent[1] <= spent[0]


def test_cores_that_no_emulator_runs_are_refused(tmp_path: Path) -> None:
    graph = lower(canonicalize(load_model(_model(tmp_path))))
    with pytest.raises(ToolError, match="cannot run cortex-m55"):
        count_candidates(graph, generic_target("m55", 1 << 18, 1 << 20), find_toolchain(None), tmp_path)


def test_why(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    model, folder = _model(tmp_path), tmp_path / "built"
    assert main(["build", "-q", "-o", str(folder), str(model)]) == 0
    assert main(["profile", str(folder), "--why", "2"]) == 0
    text = capsys.readouterr().out
    assert "layer 2: conv2d" in text and "cycles predicted, the least of" in text and "built without --autotune" in text
    assert "is made for mve, which the core lacks" in text

    assert main(["profile", str(model), "--why", "2", "--json"]) == 0  # a model file is built and tuned
    layer = json.loads(capsys.readouterr().out)
    counted = [candidate for candidate in layer["candidates"] if candidate["cycles"] is not None]
    assert len(counted) >= 2 and counted[0]["kernel"] == layer["kernel"]
    assert counted[0]["cycles"] == min(candidate["cycles"] for candidate in counted)

    for name, says in (
        ("nonsense", "no layer is called so"),
        ("conv2d", "layers have that in their names"),
        ("99", "no layer"),
    ):
        assert main(["profile", str(folder), "--why", name]) == 2
        assert says in capsys.readouterr().err
