"""Kernels for Helium: with their instructions in QEMU, and their portable fallback on the host."""

import shutil
from collections.abc import Callable, Iterator

import helium_graphs as helium
import kernel_graphs as graphs
import pytest
from helium_core import HeliumCore, build, is_available
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_checks import accepted, check, find, property_test, tilings
from kernel_harness import Machine, Tiling, run
from kernel_host import Host
from s16_graphs import sixteen_bits
from w4_graphs import four_bits, from_minus_seven, of_either_width

from tinyml.ir.macs import macs
from tinyml.ir.ops import RELU, Op

_CASES: dict[str, tuple[Op, Callable[[], st.SearchStrategy[graphs.Case]]]] = {
    "tinyml_conv_s8_mve": (Op.CONV2D, helium.convolutions),
    "tinyml_conv_columns_s8_mve": (Op.CONV2D, helium.shared_columns),
    "tinyml_conv_w4_mve": (Op.CONV2D, lambda: helium.convolutions().map(four_bits).map(from_minus_seven)),
    "tinyml_conv_s16_mve": (Op.CONV2D, lambda: helium.convolutions().map(sixteen_bits)),
    "tinyml_depthwise_s8_mve": (Op.CONV2D, lambda: of_either_width(helium.depthwise())),
    "tinyml_depthwise_3x3_s8_mve": (Op.CONV2D, lambda: of_either_width(helium.depthwise(3))),
    "tinyml_depthwise_s16_mve": (Op.CONV2D, lambda: helium.depthwise(dilated=True).map(sixteen_bits)),
    "tinyml_fully_connected_s8_mve": (Op.FULLY_CONNECTED, graphs.fully_connected),
    "tinyml_fully_connected_w4_mve": (
        Op.FULLY_CONNECTED,
        lambda: graphs.fully_connected().map(four_bits).map(from_minus_seven),
    ),
    "tinyml_fully_connected_s16_mve": (Op.FULLY_CONNECTED, lambda: graphs.fully_connected().map(sixteen_bits)),
    "tinyml_add_s8_mve": (Op.ADD, helium.sums),
    "tinyml_mul_s8_mve": (Op.MUL, lambda: graphs.binary(Op.MUL)),
    "tinyml_max_pool_s8_mve": (Op.MAX_POOL2D, lambda: graphs.pools(Op.MAX_POOL2D)),
    "tinyml_average_pool_s8_mve": (Op.AVERAGE_POOL2D, lambda: graphs.pools(Op.AVERAGE_POOL2D)),
    "tinyml_lookup_s8_mve": (Op.LOOKUP, helium.lookups),
}


def _cases(symbol: str) -> st.SearchStrategy[graphs.Case]:
    op, strategy = _CASES[symbol]
    return strategy().filter(accepted(symbol, op))


@pytest.fixture(scope="module", params=["arm-none-eabi-gcc", "ziglang"])
def helium_core(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeliumCore]:
    if not is_available():
        pytest.skip("qemu-system-arm is not on the PATH")
    if request.param == "arm-none-eabi-gcc" and shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not on the PATH")
    core = HeliumCore(build(tmp_path_factory.mktemp(request.param), request.param, list(_CASES)), list(_CASES))
    yield core
    core.close()


def _check(machine: Machine, symbol: str, case: graphs.Case, tiling: Tiling) -> None:
    """In place too, where the kernel allows it."""
    check(machine, symbol, case, tiling)
    node, graph, _ = case
    access = find(symbol, node.op).access
    names = [n for n in graph.activations(node) if graph.value(n).bytes >= graph.value(node.output).bytes]
    for name in names if access.in_place_any else names[:1] if access.in_place == 0 else []:
        check(machine, symbol, case, Tiling(), {name: 0})


@pytest.mark.qemu
@pytest.mark.parametrize("symbol", list(_CASES))
@settings(property_test, max_examples=100)
@given(st.data(), tilings)
def test_helium_agrees(helium_core: HeliumCore, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    _check(helium_core, symbol, data.draw(_cases(symbol)), tiling)


@pytest.mark.parametrize("symbol", list(_CASES))
@property_test
@given(st.data(), tilings)
def test_portable_agrees(host: Host, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    _check(host, symbol, data.draw(_cases(symbol)), tiling)


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("symbol", "size"),
    [
        ("tinyml_conv_s8_mve", 1),
        ("tinyml_conv_s8_mve", 3),
        ("tinyml_conv_columns_s8_mve", 3),
        ("tinyml_depthwise_3x3_s8_mve", 3),
        ("tinyml_depthwise_s8_mve", 5),
    ],
)
@pytest.mark.parametrize("factor", [0.5, 0.75, 0.999])
def test_helium_factors_of_a_half_or_more(helium_core: HeliumCore, symbol: str, size: int, factor: float) -> None:
    case = helium.scarcely_smaller(factor, size, depthwise="depthwise" in symbol)
    check(helium_core, symbol, case, Tiling())


@pytest.mark.qemu
@pytest.mark.parametrize("adapt", [lambda case: case, lambda case: from_minus_seven(four_bits(case))], ids=["s8", "w4"])
@pytest.mark.parametrize(
    "layer",
    [(1, 5, 5, 8, 12), (1, 7, 3, 16, 4), (1, 5, 3, 5, 8), (1, 3, 3, 24, 8), (1, 9, 7, 32, 16, 2), (3, 9, 9, 3, 8, 2)],
)
@pytest.mark.parametrize("tiling", [Tiling(), Tiling(rows=1)], ids=["whole", "rows"])
def test_helium_weights_in_registers(
    helium_core: HeliumCore, layer: tuple[int, ...], tiling: Tiling, adapt: Callable[[graphs.Case], graphs.Case]
) -> None:
    """Windows of one and of two steps, end to end and apart; two windows a vector; outputs that are left over."""
    case = adapt(helium.convolution(*layer))
    symbol = next(name for name in ("tinyml_conv_s8_mve", "tinyml_conv_w4_mve") if accepted(name, Op.CONV2D)(case))
    check(helium_core, symbol, case, tiling)


@pytest.mark.qemu
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [4, 9, 18])
def test_helium_depthwise_after_relu(helium_core: HeliumCore, size: int, stride: int) -> None:
    """Eight outputs at a time, four, and fewer."""
    case = helium.convolution(3, size, size - 1, 21, 21, stride, depthwise=True, clamp=RELU)
    check(helium_core, "tinyml_depthwise_3x3_s8_mve", case, Tiling())


@pytest.mark.qemu
@pytest.mark.parametrize("scales", [(0.5, 0.5, 0.5), (0.5, 0.125, 0.25), (0.013, 0.037, 0.041), (0.3, 0.0002, 0.01)])
def test_helium_add_of_all_pairs(helium_core: HeliumCore, scales: tuple[float, float, float]) -> None:
    """Ties, saturation, equal scales, and scales far apart."""
    check(helium_core, "tinyml_add_s8_mve", helium.all_pairs(scales), Tiling())


@pytest.mark.qemu
@pytest.mark.parametrize(("height", "width"), [(2, 1), (3, 5), (64, 64)])
def test_helium_averages_round_ties_away(helium_core: HeliumCore, height: int, width: int) -> None:
    check(helium_core, "tinyml_average_pool_s8_mve", helium.averages_near_ties(height, width), Tiling())


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("symbol", "case", "budget"),
    [
        ("tinyml_conv_s8_mve", helium.convolution(1, 48, 48, 8, 16), 0.49),
        ("tinyml_conv_s8_mve", helium.convolution(1, 24, 24, 32, 32), 0.19),
        ("tinyml_conv_s8_mve", helium.convolution(1, 6, 6, 128, 128), 0.16),
        ("tinyml_conv_w4_mve", from_minus_seven(four_bits(helium.convolution(1, 24, 24, 32, 32))), 0.19),
        ("tinyml_conv_w4_mve", from_minus_seven(four_bits(helium.convolution(1, 6, 6, 128, 128))), 0.16),
        ("tinyml_conv_s16_mve", sixteen_bits(helium.convolution(1, 24, 24, 32, 32)), 0.4),
        ("tinyml_conv_s16_mve", sixteen_bits(helium.convolution(1, 6, 6, 128, 128)), 0.3),
        ("tinyml_conv_s8_mve", helium.convolution(3, 48, 48, 3, 16, 2), 0.36),
        ("tinyml_conv_columns_s8_mve", helium.convolution(3, 32, 32, 16, 16), 0.13),
        ("tinyml_conv_columns_s8_mve", helium.convolution(3, 32, 32, 16, 32, 2), 0.15),
        ("tinyml_conv_columns_s8_mve", helium.convolution(3, 8, 8, 64, 64), 0.115),
        ("tinyml_depthwise_s16_mve", sixteen_bits(helium.convolution(3, 24, 24, 32, 32, depthwise=True)), 2.55),
        ("tinyml_depthwise_3x3_s8_mve", helium.convolution(3, 24, 24, 32, 32, depthwise=True), 0.66),
        ("tinyml_depthwise_3x3_s8_mve", helium.convolution(3, 24, 24, 32, 32, depthwise=True, clamp=RELU), 0.57),
        ("tinyml_depthwise_3x3_s8_mve", helium.convolution(3, 24, 24, 32, 32, 2, depthwise=True, clamp=RELU), 1.0),
        ("tinyml_depthwise_s8_mve", helium.convolution(5, 20, 20, 48, 48, depthwise=True), 0.47),
        ("tinyml_depthwise_s8_mve", helium.convolution(7, 20, 20, 48, 48, depthwise=True), 0.35),
        ("tinyml_depthwise_3x3_s8_mve", four_bits(helium.convolution(3, 6, 6, 128, 128, depthwise=True)), 0.97),
        ("tinyml_depthwise_s8_mve", four_bits(helium.convolution(7, 20, 20, 48, 48, depthwise=True)), 0.35),
    ],
)
def test_helium_instructions_per_mac(helium_core: HeliumCore, symbol: str, case: graphs.Case, budget: float) -> None:
    """Requantization and all else included; a rise beyond the budget fails."""
    node, graph, arrays = case
    count = helium_core.instructions(lambda: run(helium_core, find(symbol, node.op), node, graph, arrays))
    print(f"{symbol}: {count / macs(node, graph):.3f} instructions a MAC")
    assert count / macs(node, graph) <= budget
