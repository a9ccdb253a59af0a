"""The choice of precisions against brute force."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tinyml.quantize.allocate import GRID, Option, allocations

options = st.builds(
    lambda size, w8, w4, error: (Option("w8a8", size, w8, 0.0), Option("w4a8", (size + 1) // 2, w4, error)),
    st.integers(1, 400),
    st.integers(0, 9),
    st.integers(0, 9),
    st.floats(1e-6, 1.0),
)


@given(st.lists(options, min_size=1, max_size=6))
def test_no_other_choice_is_better(layers: list[tuple[Option, Option]]) -> None:
    """Totals stay below GRID, so that the search is exact."""
    found = allocations({str(i): pair for i, pair in enumerate(layers)})
    assert sum(pair[0].bytes for pair in layers) < GRID
    every = [
        (sum(o.bytes for o in picks), sum(o.cycles for o in picks), sum(o.error for o in picks))
        for picks in itertools.product(*layers)
    ]
    for size, cycles, error in every:
        assert any(a.bytes <= size and a.cycles <= cycles and a.error <= error * (1 + 1e-9) for a in found)
    for a in found:
        picks = [pair[a.precision[str(i)] == "w4a8"] for i, pair in enumerate(layers)]
        assert a.bytes == sum(o.bytes for o in picks) and a.cycles == sum(o.cycles for o in picks)
        assert abs(a.error - sum(o.error for o in picks)) <= 1e-9
    assert [a.bytes for a in found] == sorted(a.bytes for a in found)


def test_large_networks_are_near_the_best() -> None:
    layers = {
        str(i): (Option("w8a8", 10007 * (i + 1), 0, 0.0), Option("w4a8", 5004 * (i + 1), 0, 1.0)) for i in range(12)
    }
    total = sum(pair[0].bytes for pair in layers.values())
    budget = int(0.75 * total)
    best = min((a for a in allocations(layers) if a.bytes <= budget), key=lambda a: a.error)
    # The largest four layers hold 42 of 78 parts: 21 saved of the 19.5 that are needed.
    assert best.error == 4.0
