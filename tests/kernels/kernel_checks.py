"""What the kernel tests share: settings, strategies of tilings, the comparison."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from kernel_graphs import Case
from kernel_harness import Machine, Tiling, reference, run

from tinyml.ir.ops import Op
from tinyml.kernels.descriptor import KernelDescriptor
from tinyml.kernels.registry import KERNELS

tilings = st.builds(
    Tiling,
    st.one_of(st.none(), st.integers(1, 4)),
    st.one_of(st.none(), st.integers(1, 4)),
    st.sampled_from(["whole", "ring", "patch"]),
)

property_test = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def find(symbol: str, op: Op) -> KernelDescriptor:
    return next(kernel for kernel in KERNELS if kernel.symbol == symbol and kernel.op is op)


def accepted(symbol: str, op: Op) -> Callable[[Case], bool]:
    """Whether the kernel takes a case, for filters."""
    return lambda case: find(symbol, op).rejects(case[0], case[1]) is None


def check(
    machine: Machine, symbol: str, case: Case, tiling: Tiling, shares: Mapping[str, int] = MappingProxyType({})
) -> None:
    """Bit for bit the numpy reference."""
    node, graph, arrays = case
    expected = reference(node, graph, arrays)
    result = run(machine, find(symbol, node.op), node, graph, arrays, tiling, shares)
    for got, want in zip(result, expected, strict=True):
        np.testing.assert_array_equal(got, want)
