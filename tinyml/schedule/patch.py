"""Patches: neighbouring nodes that are computed together, one part of their result after the other.

What the first ones compute never is there as a whole, nor as whole rows: for each part of the result, the part of every
value before it that is needed follows backwards through the windows, cut at the borders of each image, and is computed
for this part alone. Where parts of the result read the same, it is computed again, or the columns that the next part to
the right needs too are kept: the choice is made value by value.

Rows of parts are the tiles of a stream; columns are cut here. The arithmetic is that of MCUNetV2's patches, by intervals.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tinyml.ir.graph import Graph, Node
from tinyml.kernels.descriptor import Access
from tinyml.kernels.rows import image_shape
from tinyml.kernels.windows import COLUMNS, ROWS, SAME_ROW, RowWindow, row_windows

Span = tuple[int, int]
"""Rows, or columns, from the first to before the second."""

Strip = tuple[int, int, int]
"""Columns that are computed, from the first to before the second, and how many before them are kept."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows [row, end) and columns [col, end_col) of a value.

    Attributes:
        kept: columns before them that are there from the part before.
    """

    row: int
    end: int
    col: int
    end_col: int
    kept: int = 0

    @property
    def first_col(self) -> int:
        """The first column that is there."""
        return self.col - self.kept

    @property
    def rows(self) -> int:
        return self.end - self.row

    @property
    def cols(self) -> int:
        return self.end_col - self.col

    @property
    def pixels(self) -> int:
        return self.rows * self.cols


@dataclass(frozen=True, slots=True)
class Reader:
    """A node of a patch that reads what another one of it computes.

    Attributes:
        position: of the node that reads.
        windows: of its rows, and of its columns.
    """

    position: int
    windows: tuple[RowWindow, RowWindow]


@dataclass(frozen=True, slots=True)
class Patch:
    """Nodes that are computed together. Values are known by the position of the node that computes them.

    Attributes:
        images: rows and columns of each value; where the last node reduces its operand, of that.
        readers: of each value but the last, which others read.
        through: which rows of each value a row of the last one takes.
        cols: columns of a part of the last value.
        keeps: values whose columns are kept for the next part where it reads them, too.
    """

    images: tuple[tuple[int, int], ...]
    readers: tuple[tuple[Reader, ...], ...]
    through: tuple[RowWindow, ...]
    cols: int
    keeps: tuple[int, ...] = ()

    def parts(self, row: int, end: int) -> Iterator[tuple[Part, ...]]:
        """What is computed for rows [row, end) of the last value, part by part: the part of each value."""
        rows = self.rows(row, end)
        for strips in self.strips():
            yield tuple(Part(*r, *strip) for r, strip in zip(rows, strips, strict=True))

    def lines(self, tile: int) -> list[list[Span]]:
        """For each tile of that many rows, from the first to the last: the rows of every value."""
        return _lines(self, tile)

    def strips(self) -> list[list[Strip]]:
        """For each part of a row, from the first to the last: the columns of every value."""
        return _strips(self)

    def sizes(self, tile: int) -> tuple[tuple[int, int], ...]:
        """Rows and columns of the largest part of each value that is there at once, in tiles of that many rows."""
        if not self.readers:
            return ((min(tile, self.images[0][ROWS]), self.cols),)
        rows, cols = zip(*self.lines(tile), strict=True), zip(*self.strips(), strict=True)
        return tuple(
            (max(end - first for first, end in r), max(end - first + kept for first, end, kept in c))
            for r, c in zip(rows, cols, strict=True)
        )

    def computed(self, tile: int) -> tuple[int, ...]:
        """Pixels of each value that are computed in all, in tiles of that many rows."""
        return self._pixels(tile, lambda first, end, kept: end - first)

    def moved(self, tile: int) -> tuple[int, ...]:
        """Pixels of each value that are kept for the next part, in all."""
        return self._pixels(tile, lambda first, end, kept: kept)

    def _pixels(self, tile: int, counted: Callable[[int, int, int], int]) -> tuple[int, ...]:
        rows, cols = zip(*self.lines(tile), strict=True), zip(*self.strips(), strict=True)
        return tuple(
            sum(end - first for first, end in r) * sum(counted(*strip) for strip in c)
            for r, c in zip(rows, cols, strict=True)
        )

    def rows(self, row: int, end: int) -> list[Span]:
        """Of each value, what rows [row, end) of the last one are computed from."""
        return [(first, end) for first, end, _ in self.needed(ROWS, (row, end), [0] * len(self.images))]

    def needed(self, axis: int, span: Span, there: Sequence[int]) -> list[Strip]:
        """What is computed of each value for a span of the last one, where all before `there` is kept: nothing, where all
        that its readers need is, or where nothing new is needed of them.

        Raises:
            ValueError: something is computed from padding alone.
        """
        strips = [(*span, 0)] * len(self.images)
        for position in reversed(range(len(self.readers))):
            length = self.images[position][axis]
            read = [(r.windows[axis], *strips[r.position][:2]) for r in self.readers[position]]
            spans = [(w.first(first), w.end(end - 1, length)) for w, first, end in read if first < end]
            if any(first >= end for first, end in spans):
                raise ValueError("rows or columns are computed from padding alone")
            first = min((first for first, _ in spans), default=there[position])
            end = max((end for _, end in spans), default=there[position])
            kept = max(0, there[position] - first)
            strips[position] = (first + kept, end, kept)
        return strips


@lru_cache(maxsize=4096)
def _lines(patch: Patch, tile: int) -> list[list[Span]]:
    height = patch.images[-1][ROWS]
    return [patch.rows(row, min(row + tile, height)) for row in range(0, height, tile)]


@lru_cache(maxsize=4096)
def _strips(patch: Patch) -> list[list[Strip]]:
    width = patch.images[-1][COLUMNS]
    there = [0] * len(patch.images)
    found: list[list[Strip]] = []
    for col in range(0, width, patch.cols):
        found.append(patch.needed(COLUMNS, (col, min(col + patch.cols, width)), there))
        for position in patch.keeps:
            there[position] = found[-1][position][1]
    return found


def make_patch(
    nodes: Sequence[Node], graph: Graph, accesses: Sequence[Access], cols: int | None, keeps: tuple[int, ...] = ()
) -> Patch:
    """The patch of some nodes in topological order, of which the last alone computes something that others read; of one
    node alone, as well.

    Args:
        accesses: of their kernels.
        cols: columns of a part; None: all.
        keeps: positions of the nodes of whose results columns are kept from part to part.

    Raises:
        ValueError: they cannot be computed part by part.
    """
    position = {node.outputs[0]: i for i, node in enumerate(nodes)}
    several = len(nodes) > 1
    reading: list[list[Reader]] = [[] for _ in nodes]
    images: list[tuple[int, int]] = []
    for i, (node, access) in enumerate(zip(nodes, accesses, strict=True)):
        if several and (access.whole or len(node.outputs) > 1 or (access.reduces and i < len(nodes) - 1)):
            raise ValueError(f"{node.name} cannot be computed part by part")
        images.append(image_shape(graph.value(node.inputs[0] if access.reduces else node.outputs[0]).shape)[:2])
        if several:
            by_axis = (windows_of(node, graph, access, axis) for axis in (ROWS, COLUMNS))
            for name, rows, columns in zip(graph.activations(node), *by_axis, strict=True):
                if name in position:
                    if rows is None or columns is None or max(rows.up, columns.up) > 1:
                        raise ValueError(
                            f"{node.name} takes {name} whole or enlarges it, which is computed part by part"
                        )
                    reading[position[name]].append(Reader(i, (rows, columns)))
    through = [SAME_ROW] * len(nodes)
    for i in reversed(range(len(nodes) - 1)):
        if not reading[i]:
            raise ValueError(f"what {nodes[i].name} computes is not read by those computed with it")
        windows = [through[reader.position].of(reader.windows[ROWS]) for reader in reading[i]]
        through[i] = windows[0]
        for window in windows[1:]:
            through[i] = through[i].union(window)
    width = images[-1][COLUMNS]
    patch = Patch(tuple(images), tuple(map(tuple, reading[:-1])), tuple(through), min(cols or width, width), keeps)
    if several:
        patch.lines(1), patch.strips()  # raise where there is nothing to compute
    return patch


def windows_of(node: Node, graph: Graph, access: Access, axis: int = ROWS) -> tuple[RowWindow | None, ...]:
    """For each activation that a node reads, the rows or columns of it that one of its own takes; None: all."""
    if access.reduces:
        return (SAME_ROW,) * len(graph.activations(node))
    if access.whole:
        return (None,) * len(graph.activations(node))
    return row_windows(node, graph, axis)
