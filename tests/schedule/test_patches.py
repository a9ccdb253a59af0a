"""Parts of patches: what follows backwards through the windows, by hand."""

import pytest
from stream_networks import Layers

from tinyml.ir.graph import Graph
from tinyml.kernels.descriptor import Access
from tinyml.schedule.patch import Part, Patch, make_patch


def block() -> Graph:
    """The block of a mobile network on 4 x 8 pixels: 3 -> 6 channels, depthwise 3x3, -> 4 channels."""
    net = Layers("block")
    wide = net.depthwise(net.conv(net.image(4, 8, 3), 6, (1, 1)))
    return net.build([net.conv(wide, 4, (1, 1))])


def patch(graph: Graph, cols: int, keeps: tuple[int, ...] = ()) -> Patch:
    return make_patch(graph.nodes, graph, [Access()] * len(graph.nodes), cols, keeps)


def test_parts_overlap_by_the_window() -> None:
    cut = patch(block(), cols=2)
    assert [strips[0] for strips in cut.strips()] == [(0, 3, 0), (1, 5, 0), (3, 7, 0), (5, 8, 0)]
    assert [strips[1] for strips in cut.strips()] == [(0, 2, 0), (2, 4, 0), (4, 6, 0), (6, 8, 0)]
    assert [lines[0] for lines in cut.lines(2)] == [(0, 3), (1, 4)]
    assert cut.sizes(2) == ((3, 4), (2, 2), (2, 2))
    assert cut.computed(2) == (6 * 14, 32, 32)
    assert cut.moved(2) == (0, 0, 0)


def test_kept_columns_are_computed_once_in_a_row_of_parts() -> None:
    cut = patch(block(), cols=2, keeps=(0,))
    assert [strips[0] for strips in cut.strips()] == [(0, 3, 0), (3, 5, 2), (5, 7, 2), (7, 8, 2)]
    assert cut.sizes(2) == ((3, 4), (2, 2), (2, 2)), "they are where they were"
    assert cut.computed(2) == (6 * 8, 32, 32)
    assert cut.moved(2) == (6 * 6, 0, 0)
    assert next(cut.parts(2, 4)) == (Part(1, 4, 0, 3), Part(2, 4, 0, 2), Part(2, 4, 0, 2))


def test_the_last_part_may_need_nothing_new() -> None:
    strips = [strips[0] for strips in patch(block(), cols=1, keeps=(0,)).strips()]
    assert strips == [(0, 2, 0), (2, 3, 2), *((col, col + 1, 2) for col in range(3, 8)), (8, 8, 2)]


def test_what_is_kept_needs_nothing_before_it() -> None:
    """Two windows in a row: of the first, as much is computed as the second one needs that is new."""
    net = Layers("two")
    x = net.conv(net.image(4, 8, 3), 6, (1, 1))
    graph = net.build([net.depthwise(net.depthwise(x))])
    without, kept, both = (patch(graph, 4, keeps) for keeps in ((), (1,), (0, 1)))
    assert [strips[:2] for strips in without.strips()] == [[(0, 6, 0), (0, 5, 0)], [(2, 8, 0), (3, 8, 0)]]
    assert [strips[:2] for strips in kept.strips()] == [[(0, 6, 0), (0, 5, 0)], [(4, 8, 0), (5, 8, 2)]]
    assert [strips[:2] for strips in both.strips()] == [[(0, 6, 0), (0, 5, 0)], [(6, 8, 2), (5, 8, 2)]]


def test_strides_keep_less() -> None:
    net = Layers("halved")
    graph = net.build([net.depthwise(net.conv(net.image(4, 8, 3), 6, (1, 1)), stride=2)])
    # 3x3 of stride 2 on 8 columns is padded at the right: column x reads [2x, 2x + 3)
    assert [strips[0] for strips in patch(graph, 1, (0,)).strips()] == [(0, 3, 0), (3, 5, 1), (5, 7, 1), (7, 8, 1)]


def test_parts_of_padding_alone_are_refused() -> None:
    net = Layers("padded")
    x = net.conv(net.image(4, 4, 3), 6, (1, 1))
    graph = net.build([net.conv(x, 2, (1, 1), padding=((0, 0), (2, 2)))])
    with pytest.raises(ValueError, match="padding alone"):
        patch(graph, 1)
