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
from kernel_harness import Tiling, run
from kernel_host import Host

from tinyml.ir.macs import macs
from tinyml.ir.ops import Op

_CASES: dict[str, tuple[Op, Callable[[], st.SearchStrategy[graphs.Case]]]] = {
    "tinyml_conv_s8_mve": (Op.CONV2D, helium.convolutions),
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


@pytest.mark.qemu
@pytest.mark.parametrize("symbol", list(_CASES))
@settings(property_test, max_examples=100)
@given(st.data(), tilings)
def test_helium_agrees(helium_core: HeliumCore, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    check(helium_core, symbol, data.draw(_cases(symbol)), tiling)


@pytest.mark.parametrize("symbol", list(_CASES))
@property_test
@given(st.data(), tilings)
def test_portable_agrees(host: Host, symbol: str, data: st.DataObject, tiling: Tiling) -> None:
    check(host, symbol, data.draw(_cases(symbol)), tiling)


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("symbol", "case", "budget"),
    [
        ("tinyml_conv_s8_mve", helium.convolution(1, 24, 24, 32, 32), 0.275),
        ("tinyml_conv_s8_mve", helium.convolution(1, 6, 6, 128, 128), 0.16),
        ("tinyml_conv_s8_mve", helium.convolution(3, 48, 48, 3, 16, 2), 0.53),
        ("tinyml_conv_s8_mve", helium.convolution(3, 32, 32, 16, 16), 0.175),
        ("tinyml_conv_s8_mve", helium.convolution(3, 8, 8, 64, 64), 0.135),
    ],
)
def test_helium_instructions_per_mac(helium_core: HeliumCore, symbol: str, case: graphs.Case, budget: float) -> None:
    """Requantization and all else included; a rise beyond the budget fails."""
    node, graph, arrays = case
    count = helium_core.instructions(lambda: run(helium_core, find(symbol, node.op), node, graph, arrays))
    print(f"{symbol}: {count / macs(node, graph):.3f} instructions a MAC")
    assert count / macs(node, graph) <= budget
