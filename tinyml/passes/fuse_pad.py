"""Fuses PAD along height and width into the convolutions and pools that read it.

A convolution counts padded taps as real 0, on integers as the zero point, which is what PAD writes when its value is 0.
An average pool that counts its padding sees the same; a maximum pool ignores its padding, which is the same where PAD
writes nothing larger than the data can be.
"""

import math
from dataclasses import replace

from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import BinaryAttrs, Conv2dAttrs, FullyConnectedAttrs, Op, PadAttrs, Pool2dAttrs
from tinyml.passes.base import Pass
from tinyml.passes.fuse_activation import activation_clamp
from tinyml.passes.rewrite import Rewriter, with_inputs

_Pairs = tuple[tuple[int, int], tuple[int, int]]


def _fuse_pad(graph: Graph) -> Graph:
    rewriter = Rewriter(graph)
    for node in rewriter.nodes():
        if isinstance(node.attrs, PadAttrs) and not rewriter.is_fixed(node.output):
            _fuse(rewriter, node, node.attrs)
    return rewriter.finish()


def _fuse(rewriter: Rewriter, pad: Node, attrs: PadAttrs) -> None:
    x, y = rewriter.values[pad.used[0]], rewriter.values[pad.output]
    if len(x.shape) != 4 or any(attrs.padding[0]) or any(attrs.padding[3]) or x.quant != y.quant:
        return
    readers = rewriter.readers(pad.output)
    padding = (attrs.padding[1], attrs.padding[2])
    padded = [_padded(rewriter, pad, reader, padding, attrs.value) for reader in readers]
    if not readers or any(reader is None for reader in padded):
        return
    sources = pad.source
    rewriter_readers = zip(readers, padded, strict=True)
    for reader, new in rewriter_readers:
        assert new is not None
        fused = with_inputs(new, {pad.output: x.name})
        rewriter.replace(reader, replace(fused, source=f"{sources} + {reader.source}"))
    rewriter.replace(pad)


def _padded(rewriter: Rewriter, pad: Node, reader: Node, padding: _Pairs, value: float) -> Node | None:
    """The reader with the padding as its own, or None where that would be something else."""
    attrs = reader.attrs
    if isinstance(attrs, Conv2dAttrs):
        if value != 0.0 or reader.inputs[1:].count(pad.output):
            return None
        return replace(reader, attrs=replace(attrs, padding=_sum(attrs.padding, padding)))
    if not isinstance(attrs, Pool2dAttrs):
        return None
    total = _sum(attrs.padding, padding)
    if any(max(pair) >= kernel for pair, kernel in zip(total, attrs.kernel, strict=True)):
        return None
    if reader.op is Op.MAX_POOL2D:
        if not _never_exceeds(rewriter, value, pad.used[0]):
            return None
        return replace(reader, attrs=replace(attrs, padding=total))
    own_padding_counts = attrs.count_include_pad or not any(map(any, attrs.padding))
    if value != 0.0 or not own_padding_counts or rewriter.quantized(reader):
        return None
    return replace(reader, attrs=replace(attrs, padding=total, count_include_pad=True))


def _sum(a: _Pairs, b: _Pairs) -> _Pairs:
    (a0, a1), (a2, a3) = a
    (b0, b1), (b2, b3) = b
    return ((a0 + b0, a1 + b1), (a2 + b2, a3 + b3))


def _never_exceeds(rewriter: Rewriter, value: float, name: str) -> bool:
    """Whether a real number is at most anything that a tensor can hold."""
    if value == -math.inf:
        return True
    x = rewriter.values[name]
    if x.quant is not None:
        lowest, _ = x.dtype.range
        return value <= x.quant.scale[0] * (lowest - x.quant.zero_point[0])
    producer = rewriter.producer(name)
    if producer is None:
        return False
    if isinstance(producer.attrs, (Conv2dAttrs, FullyConnectedAttrs, BinaryAttrs, Pool2dAttrs)):
        return value <= producer.attrs.clamp.lo
    clamp = activation_clamp(producer)
    return clamp is not None and value <= clamp.lo


PASS = Pass("fuse_pad", _fuse_pad)
