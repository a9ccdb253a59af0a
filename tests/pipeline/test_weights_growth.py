"""--weights-growth: kernels of larger weights, no more of them than was allowed, and the report says how much they take."""

from pathlib import Path

import pytest

from tinyml.ir.ops import Op
from tinyml.pipeline import TILES_GROWTH_BYTES, WEIGHTS_GROWTH, Compilation, Options, compile_model, need, own_weights
from tinyml.report.document import make_report
from tinyml.schedule.model import Objective
from tinyml.targets import choose_target, load_board
from tinyml.zoo import save

LARGER = "tinyml_conv_winograd_s8_dsp"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save("resnet8", tmp_path_factory.mktemp("growth") / "resnet8.onnx")


def _emitted(model: Path, growth: float) -> Compilation:
    options = Options(model, load_board("stm32h7"), Path(), weights_growth=growth, objective=Objective.LATENCY)
    return compile_model(options, stop_after="emit")


def test_weights_grow_where_it_saves_the_most_and_no_further(model: Path) -> None:
    """ResNet-8's layers of 16 channels come before that of 32, and that of 64 is too large."""
    default, grown = _emitted(model, 0.0), _emitted(model, 0.5)
    own = own_weights(need(default.schedule).graph)
    added = need(grown.bundle).weights_bytes - need(default.bundle).weights_bytes
    assert 0 < added <= own / 2
    selections = need(grown.schedule).selections
    assert not any(s.kernel.symbol == LARGER for s in need(default.schedule).selections.values())
    graph = need(grown.schedule).graph
    filters = [
        graph.value(node.output).shape[-1]
        for node in graph.nodes
        if node.op is Op.CONV2D and selections[node.name].kernel.symbol == LARGER
    ]
    assert filters == [16, 16, 32]
    reports = [make_report(done).flash for done in (default, grown)]
    padding = 4 * len(filters)  # a word behind the weights of each, in the default build
    assert [flash.added_weights_bytes for flash in reports] == [0, added + padding]


def test_by_default_weights_grow_by_two_percent_or_some_kilobytes_where_tiles_are(tmp_path: Path) -> None:
    """Kernels that have channels ready are those for tiles. What they add is what the files of the build show."""
    model = save("mobilenet_v1", tmp_path / "mobilenet.onnx")

    def emitted(growth: float | None, objective: Objective = Objective.SRAM) -> Compilation:
        options = Options(model, load_board("stm32h7"), tmp_path, weights_growth=growth, objective=objective)
        return compile_model(options, stop_after="emit")

    def added(done: Compilation) -> int:
        return make_report(done).flash.added_weights_bytes

    none, default, grown = emitted(0.0), emitted(None), emitted(0.2)
    own = own_weights(need(none.schedule).graph)
    assert added(none) == added(emitted(None, Objective.FLASH)) == 0
    assert 0 <= added(emitted(None, Objective.LATENCY)) <= own * WEIGHTS_GROWTH
    assert 0 < added(emitted(None, Objective.BALANCED)) <= TILES_GROWTH_BYTES
    assert own * WEIGHTS_GROWTH < added(default) <= TILES_GROWTH_BYTES < added(grown) <= own / 5
    for done in (default, grown):
        sizes = [need(d.bundle).weights_bytes + need(d.bundle).parameters_bytes for d in (none, done)]
        assert sizes[1] - sizes[0] == added(done)
        assert need(done.plan).peak_bytes <= need(none.plan).peak_bytes


def test_growth_keeps_nothing_from_fitting(model: Path) -> None:
    """Kernels of larger weights take more scratch. Where memory does not hold it, others compute the layers."""
    board = choose_target(board="stm32h7", sram_bytes=20 << 10)
    options = Options(model, board, Path(), weights_growth=0.5, objective=Objective.LATENCY, sram_limited=True)
    plan = need(compile_model(options, stop_after="memory").plan)  # it fits, or this raises
    assert plan.peak_bytes <= 20 << 10
