"""Weights rounded by their effect: each layer's result on calibration data stays what it was, as nearly as it can.

For a layer y = W x + b whose quantized network feeds it x' in place of x, the weights V of the grid and the bias c are
sought that make sum |V x' + c - W x - b|^2 small. With A = cov(x', x') and C = cov(x, x'):

1. the best real weights are W* = W C A^-1 (with A damped towards W, for directions that calibration hardly shows): they
   make up for what earlier layers lost;
2. columns are rounded one after another, and each one's error is spread over the columns that are still real, by the
   Cholesky factor of A^-1 (GPTQ, Frantar et al., arXiv:2210.17323, after Optimal Brain Surgeon);
3. the bias takes what is left in the mean (bias correction, Nagel et al., arXiv:1906.04721).

Everything is batched over the groups of a convolution: a depthwise one has as many small problems as channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph, Node
from tinyml.ir.ops import Conv2dAttrs
from tinyml.ir.quant import QuantParams
from tinyml.quantize.params import weight_scales

DAMPING = 0.01  # of the mean diagonal of A, as GPTQ has it
_CANCELLED = 1e-5
MAX_DEPTH = 4096  # products of one output; beyond, A takes more memory and time than it is worth
_SHRINK = np.linspace(0.4, 1.0, 31)  # of the range of a channel's weights


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Second moments of a layer's inputs over all calibration samples, for each of its groups.

    Attributes:
        auto, cross: [groups, depth, depth], cov(x', x') and cov(x, x').
        mean, exact_mean: [groups, depth], of x' and x.
    """

    auto: np.ndarray
    cross: np.ndarray
    mean: np.ndarray
    exact_mean: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Rounded:
    """stored: weights as the type has them; bias: real, [channels]."""

    stored: np.ndarray
    params: QuantParams
    bias: np.ndarray

    @property
    def real(self) -> np.ndarray:
        """The weights as real numbers."""
        return self.params.dequantize(self.stored)


def depth(graph: Graph, node: Node) -> int:
    """Products that one output sums."""
    return int(np.prod(graph.value(node.inputs[1]).shape[1:]))


def statistics(graph: Graph, node: Node, exact: Sequence[np.ndarray], rounded: Sequence[np.ndarray]) -> Statistics:
    """Of a convolution or fully connected layer, from its input for each sample in both networks."""
    sums: list[np.ndarray] = []
    count = 0
    for x, y in zip(exact, rounded, strict=True):
        a, b = _columns(graph, node, x), _columns(graph, node, y)
        parts = [b.swapaxes(1, 2) @ b, a.swapaxes(1, 2) @ b, b.sum(axis=1), a.sum(axis=1)]
        sums = [s + p for s, p in zip(sums, parts, strict=True)] if sums else [p.astype(np.float64) for p in parts]
        count += a.shape[1]
    auto, cross, mean, exact_mean = (s / count for s in sums)
    auto -= mean[:, :, None] * mean[:, None, :]
    cross -= exact_mean[:, :, None] * mean[:, None, :]
    return Statistics(auto, cross, mean, exact_mean)


def round_weights(
    weights: np.ndarray, bias: np.ndarray | None, seen: Statistics, dtype: DType, least_scales: np.ndarray
) -> Rounded:
    """Weights [channels, ...] on the grid of an integer type.

    Args:
        least_scales: [channels]; a scale is never smaller.
    """
    groups, k = seen.mean.shape
    real = weights.reshape(groups, -1, k).astype(np.float64)
    # Where inputs hardly vary, moments are differences of rounded sums: _CANCELLED of their squares may be noise.
    damping = DAMPING * np.trace(seen.auto, axis1=1, axis2=2) / k + _CANCELLED * (seen.mean**2).mean(axis=1) + 1e-12
    eye = np.eye(k)
    auto = seen.auto + damping[:, None, None] * eye
    wanted = np.linalg.solve(auto, (real @ (seen.cross + damping[:, None, None] * eye)).swapaxes(1, 2)).swapaxes(1, 2)
    scales = _scales(wanted, np.diagonal(auto, axis1=1, axis2=2), dtype).reshape(groups, -1)
    scales = np.maximum(scales, least_scales.reshape(groups, -1))
    scales = scales.astype(np.float32).astype(np.float64)
    stored = _spread(wanted, auto, scales, dtype.range[1])
    offset = np.einsum("gok,gk->go", real, seen.exact_mean)
    offset -= np.einsum("gok,gk->go", stored * scales[:, :, None], seen.mean)
    channels = len(weights)
    total = offset.reshape(channels) + (0.0 if bias is None else bias.astype(np.float64))
    return Rounded(
        stored.reshape(weights.shape).astype(np.int8),
        QuantParams.per_channel(scales.reshape(channels), 0, dtype),
        total.astype(np.float32),
    )


def _columns(graph: Graph, node: Node, x: np.ndarray) -> np.ndarray:
    """[groups, rows, depth]: what each output position multiplies by the weights."""
    w = graph.value(node.inputs[1]).shape
    attrs = node.attrs
    if not isinstance(attrs, Conv2dAttrs):
        return x.reshape(1, -1, w[1])
    _, kh, kw, per_group = w
    x = np.pad(x, ((0, 0), *attrs.padding, (0, 0)))
    (sy, sx), (dy, dx) = attrs.stride, attrs.dilation
    _, oh, ow, _ = graph.value(node.output).shape
    taps = [
        x[:, ky * dy : ky * dy + (oh - 1) * sy + 1 : sy, kx * dx : kx * dx + (ow - 1) * sx + 1 : sx]
        for ky in range(kh)
        for kx in range(kw)
    ]
    stacked = np.stack(taps, axis=3).reshape(-1, kh * kw, attrs.groups, per_group)
    return np.ascontiguousarray(stacked.transpose(2, 0, 1, 3)).reshape(attrs.groups, -1, kh * kw * per_group)


def _scales(weights: np.ndarray, importance: np.ndarray, dtype: DType) -> np.ndarray:
    """One a channel: of shrunk ranges, that whose rounding to nearest costs least, a column weighted by its variance."""
    flat = weights.reshape(-1, weights.shape[-1])
    columns = np.repeat(importance, weights.shape[1], axis=0)
    full = weight_scales(flat, dtype)
    if dtype is not DType.INT4:
        return full
    top = dtype.range[1]
    best, scales = np.full(len(flat), np.inf), full.copy()
    for shrink in _SHRINK:
        step = np.maximum(full * shrink, 1e-30)[:, None]
        error = np.clip(np.rint(flat / step), -top, top) * step - flat
        cost = np.einsum("ok,ok->o", error**2, columns)
        scales = np.where(cost < best, step[:, 0], scales)
        best = np.minimum(cost, best)
    return scales


def _spread(weights: np.ndarray, auto: np.ndarray, scales: np.ndarray, top: int) -> np.ndarray:
    """GPTQ: [groups, channels, depth] of whole numbers. Columns of the largest variance come first."""
    order = np.argsort(-np.diagonal(auto, axis1=1, axis2=2), axis=1, kind="stable")
    w = np.take_along_axis(weights, order[:, None, :], axis=2)
    a = np.take_along_axis(np.take_along_axis(auto, order[:, :, None], axis=1), order[:, None, :], axis=2)
    upper = np.linalg.cholesky(np.linalg.inv(a)).swapaxes(1, 2)
    step = np.maximum(scales, 1e-30)
    stored = np.zeros_like(w)
    for j in range(w.shape[2]):
        stored[:, :, j] = np.clip(np.rint(w[:, :, j] / step), -top, top)
        error = (w[:, :, j] - stored[:, :, j] * step) / upper[:, j, j, None]
        w[:, :, j + 1 :] -= error[:, :, None] * upper[:, j, None, j + 1 :]
    result = np.empty_like(stored)
    np.put_along_axis(result, np.broadcast_to(order[:, None, :], w.shape), stored, axis=2)
    return result
