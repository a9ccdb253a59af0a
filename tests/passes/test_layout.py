from pathlib import Path

import pytest
from pass_cases import assert_rewrites, assert_same_results, graph_of

from tinyml.frontends import onnx
from tinyml.ir.graph import Graph
from tinyml.ir.ops import Op
from tinyml.passes import Pass, canonicalize, remove_identity, run_passes
from tinyml.passes.layout import PASS as LAYOUT
from tinyml.passes.layout import transposed_bytes

# The layout pass gives network outputs their names by views, which remove_identity takes away behind it.
PASS = Pass("layout and views", lambda graph: run_passes(graph, (LAYOUT, remove_identity.PASS)))

NHWC = "perm=(0, 2, 3, 1)"
NCHW = "perm=(0, 3, 1, 2)"


def test_input_and_output_take_the_order_of_the_convolution() -> None:
    assert_rewrites(
        PASS,
        f"""
        input %x: float32[1,2,3,4]
        const %w: float32[5,1,1,2] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        %a: float32[1,3,4,2] = transpose(%x) {NHWC}
        %b: float32[1,3,4,5] = conv2d(%a, %w)
        %c: float32[1,5,3,4] = transpose(%b) {NCHW}
        %y: float32[1,5,3,4] = tanh(%c)
        output %y
        """,
        """
        input %x: float32[1,3,4,2] layout(0, 2, 3, 1)
        const %w: float32[5,1,1,2] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        %b: float32[1,3,4,5] = conv2d(%x, %w)
        %y: float32[1,3,4,5] layout(0, 2, 3, 1) = tanh(%b)
        output %y
        """,
    )


def test_through_broadcasts_residuals_and_attributes_that_name_axes() -> None:
    assert_rewrites(
        PASS,
        f"""
        input %x: float32[1,2,3,3]
        const %w: float32[2,1,1,2] = [1, 2, 3, 4]
        const %m: float32[2,1,1] = [2, 3]
        const %s: float32[] = [0.5]
        const %v: float32[1,1,1,4] = [1, 2, 3, 4]
        %a: float32[1,3,3,2] = transpose(%x) {NHWC}
        %b: float32[1,3,3,2] = conv2d(%a, %w)
        %c: float32[1,2,3,3] = transpose(%b) {NCHW}
        %d: float32[1,2,3,3] = mul(%c, %m)
        %e: float32[1,2,3,3] = add(%d, %s)
        %f: float32[1,2,3,3] = add(%e, %c)
        %g: float32[1,4,3,3] = concat(%f, %x) axis=1
        %h: float32[1,4,3,4] = pad(%g) padding=((0, 0), (0, 0), (0, 0), (1, 0))
        %i: float32[1,4,1,4] = strided_slice(%h) begin=(0, 0, 1, 0) end=(1, 4, 2, 4) stride=(1, 1, 1, 1)
        %j: float32[1,1,4,4] = transpose(%i) {NHWC}
        %k: float32[1,1,4,1] = conv2d(%j, %v)
        %l: float32[1,1,1,4] = transpose(%k) {NCHW}
        %y: float32[1,1] = mean(%l) axes=(2, 3)
        output %y
        """,
        """
        input %x: float32[1,3,3,2] layout(0, 2, 3, 1)
        const %w: float32[2,1,1,2] = [1, 2, 3, 4]
        const %m_1: float32[1,1,1,2] = [2, 3]
        const %s: float32[] = [0.5]
        const %v: float32[1,1,1,4] = [1, 2, 3, 4]
        %b: float32[1,3,3,2] = conv2d(%x, %w)
        %d: float32[1,3,3,2] = mul(%b, %m_1)
        %e: float32[1,3,3,2] = add(%d, %s)
        %f: float32[1,3,3,2] = add(%e, %b)
        %g: float32[1,3,3,4] = concat(%f, %x) axis=3
        %h: float32[1,3,4,4] = pad(%g) padding=((0, 0), (0, 0), (1, 0), (0, 0))
        %i: float32[1,1,4,4] = strided_slice(%h) begin=(0, 1, 0, 0) end=(1, 2, 4, 4) stride=(1, 1, 1, 1)
        %k: float32[1,1,4,1] = conv2d(%i, %v)
        %y: float32[1,1] = mean(%k) axes=(1, 2)
        output %y
        """,
    )


def test_squeeze_and_excite() -> None:
    """[1,C,1,1] lies in memory like [1,1,1,C]."""
    assert_rewrites(
        PASS,
        f"""
        input %x: float32[1,2,3,3]
        const %w: float32[2,1,1,2] = [1, 2, 3, 4]
        %a: float32[1,3,3,2] = transpose(%x) {NHWC}
        %b: float32[1,3,3,2] = conv2d(%a, %w)
        %c: float32[1,2,3,3] = transpose(%b) {NCHW}
        %d: float32[1,2,1,1] = mean(%c) axes=(2, 3) keep_dims=true
        %e: float32[1,1,1,2] = transpose(%d) {NHWC}
        %f: float32[1,1,1,2] = conv2d(%e, %w)
        %g: float32[1,2,1,1] = transpose(%f) {NCHW}
        %h: float32[1,2,1,1] = sigmoid(%g)
        %i: float32[1,2,3,3] = mul(%h, %c)
        %j: float32[1,3,3,2] = transpose(%i) {NHWC}
        %k: float32[1,3,3,2] = conv2d(%j, %w)
        %y: float32[1,2,3,3] = transpose(%k) {NCHW}
        output %y
        """,
        """
        input %x: float32[1,3,3,2] layout(0, 2, 3, 1)
        const %w: float32[2,1,1,2] = [1, 2, 3, 4]
        %b: float32[1,3,3,2] = conv2d(%x, %w)
        %d: float32[1,1,1,2] = mean(%b) axes=(1, 2) keep_dims=true
        %f: float32[1,1,1,2] = conv2d(%d, %w)
        %h: float32[1,1,1,2] = sigmoid(%f)
        %i: float32[1,3,3,2] = mul(%h, %b)
        %y: float32[1,3,3,2] layout(0, 2, 3, 1) = conv2d(%i, %w) as "k"
        output %y
        """,
    )


def test_a_flattened_map_permutes_weights() -> None:
    """Element c * 2 + w of the file's row is element w * 3 + c here."""
    assert_rewrites(
        PASS,
        f"""
        input %x: float32[1,3,1,2]
        const %w: float32[1,6] = [0, 1, 2, 3, 4, 5]
        const %u: float32[3,1,1,3] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
        %a: float32[1,1,2,3] = transpose(%x) {NHWC}
        %b: float32[1,1,2,3] = conv2d(%a, %u)
        %c: float32[1,3,1,2] = transpose(%b) {NCHW}
        %d: float32[1,6] = reshape(%c) shape=(1, 6)
        %e: float32[1,6] = relu(%d)
        %y: float32[1,1] = fully_connected(%e, %w)
        output %y
        """,
        """
        input %x: float32[1,1,2,3] layout(0, 2, 3, 1)
        const %u: float32[3,1,1,3] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
        const %w_1: float32[1,6] = [0, 2, 4, 1, 3, 5]
        %b: float32[1,1,2,3] = conv2d(%x, %u)
        %d: float32[1,6] = reshape(%b) shape=(1, 6)
        %e: float32[1,6] = relu(%d)
        %y: float32[1,1] = fully_connected(%e, %w_1)
        output %y
        """,
    )


def test_a_flattened_map_that_others_see_is_transposed() -> None:
    before = f"""
        input %x: float32[1,3,2,2]
        const %u: float32[3,1,1,3] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
        %a: float32[1,2,2,3] = transpose(%x) {NHWC}
        %b: float32[1,2,2,3] = conv2d(%a, %u)
        %c: float32[1,3,2,2] = transpose(%b) {NCHW}
        %y: float32[1,12] = reshape(%c) shape=(1, 12)
        output %y
        """
    assert_rewrites(
        PASS,
        before,
        f"""
        input %x: float32[1,2,2,3] layout(0, 2, 3, 1)
        const %u: float32[3,1,1,3] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
        %b: float32[1,2,2,3] = conv2d(%x, %u)
        %b_transposed: float32[1,3,2,2] = transpose(%b) {NCHW}
        %y: float32[1,12] = reshape(%b_transposed) shape=(1, 12)
        output %y
        """,
    )


def test_a_series_lies_on_the_height() -> None:
    """Between two 1-D convolutions nothing but the work on the series is left, its padding too."""
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,2,5]
        const %w: float32[2,3,1,2] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
        %a: float32[1,5,2] = transpose(%x) perm=(0, 2, 1)
        %b: float32[1,5,1,2] = reshape(%a) shape=(1, 5, 1, 2)
        %c: float32[1,3,1,2] = conv2d(%b, %w)
        %d: float32[1,3,2] = reshape(%c) shape=(1, 3, 2)
        %e: float32[1,2,3] = transpose(%d) perm=(0, 2, 1)
        %f: float32[1,2,3] = relu(%e)
        %g: float32[1,2,5] = pad(%f) padding=((0, 0), (0, 0), (2, 0))
        %h: float32[1,5,2] = transpose(%g) perm=(0, 2, 1)
        %i: float32[1,5,1,2] = reshape(%h) shape=(1, 5, 1, 2)
        %j: float32[1,3,1,2] = conv2d(%i, %w)
        %k: float32[1,3,2] = reshape(%j) shape=(1, 3, 2)
        %y: float32[1,2,3] = transpose(%k) perm=(0, 2, 1)
        output %y
        """,
        """
        input %x: float32[1,5,2] layout(0, 2, 1)
        const %w: float32[2,3,1,2] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
        %x_view: float32[1,5,1,2] = reshape(%x) shape=(1, 5, 1, 2)
        %c: float32[1,3,1,2] = conv2d(%x_view, %w)
        %f: float32[1,3,1,2] = relu(%c)
        %g: float32[1,5,1,2] = pad(%f) padding=((0, 0), (2, 0), (0, 0), (0, 0))
        %j: float32[1,3,1,2] = conv2d(%g, %w)
        %y: float32[1,3,2] layout(0, 2, 1) = reshape(%j) shape=(1, 3, 2)
        output %y
        """,
    )


def test_a_channel_shuffle_moves_its_bytes_once() -> None:
    before = f"""
        input %x: float32[1,4,2,2]
        const %w: float32[4,1,1,4] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
        %a: float32[1,2,2,4] = transpose(%x) {NHWC}
        %b: float32[1,2,2,4] = conv2d(%a, %w)
        %c: float32[1,4,2,2] = transpose(%b) {NCHW}
        %d: float32[1,2,2,2,2] = reshape(%c) shape=(1, 2, 2, 2, 2)
        %e: float32[1,2,2,2,2] = transpose(%d) perm=(0, 2, 1, 3, 4)
        %f: float32[1,4,2,2] = reshape(%e) shape=(1, 4, 2, 2)
        %g: float32[1,2,2,4] = transpose(%f) {NHWC}
        %h: float32[1,2,2,4] = conv2d(%g, %w)
        %y: float32[1,4,2,2] = transpose(%h) {NCHW}
        output %y
        """
    assert transposed_bytes(graph_of(before)) == 5 * 64
    assert_rewrites(
        PASS,
        before,
        """
        input %x: float32[1,2,2,4] layout(0, 2, 3, 1)
        const %w: float32[4,1,1,4] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
        %b: float32[1,2,2,4] = conv2d(%x, %w)
        %d: float32[1,2,2,2,2] = reshape(%b) shape=(1, 2, 2, 2, 2)
        %d_transposed: float32[1,2,2,2,2] = transpose(%d) perm=(0, 1, 2, 4, 3)
        %f: float32[1,2,2,4] = reshape(%d_transposed) shape=(1, 2, 2, 4)
        %y: float32[1,2,2,4] layout(0, 2, 3, 1) = conv2d(%f, %w) as "h"
        output %y
        """,
    )


def test_a_transpose_that_is_the_work_itself_stays() -> None:
    graph = graph_of(
        """
        input %x: float32[1,2,3]
        %t: float32[3,1,2] = transpose(%x) perm=(2, 0, 1)
        %u: float32[1,6] = reshape(%t) shape=(1, 6)
        %v: float32[1,6] = reshape(%x) shape=(1, 6)
        %y: float32[1,12] = concat(%u, %v) axis=1
        output %y
        """
    )
    new = LAYOUT.run(graph)
    assert_same_results(graph, new)
    assert transposed_bytes(new) == transposed_bytes(graph) == 6 * 4


@pytest.mark.parametrize(
    "name",
    [
        "mobilenetv2_035",
        "mobilenetv3_small_050",
        "mcunet_like",
        "ds_cnn_kws",
        "resnet18_narrow",
        "squeezenet_like",
        "lcnet_050",
        "fomo_mbv2_035",
        "autoencoder_fc",
        "densenet_small",
        "ecg_resnet1d",
        "tcn_causal",
        "starnet_s050",
        "ssdlite_mbv2",
    ],
)
def test_exported_networks_keep_no_transpose(shared: Path, name: str) -> None:
    graph = canonicalize(onnx.load(shared / "coverage" / f"{name}.onnx"))
    assert [node.name for node in graph.nodes if node.op is Op.TRANSPOSE] == []


def test_shufflenet_keeps_its_shuffles_only(shared: Path) -> None:
    graph: Graph = canonicalize(onnx.load(shared / "coverage" / "shufflenetv2_like.onnx"))
    left = [node for node in graph.nodes if node.op is Op.TRANSPOSE]
    assert len(left) == 13  # one for each of the network's shuffles, which the file transposes [1,g,c,H,W] for
    assert all(node.attrs.perm == (0, 1, 2, 4, 3) for node in left)  # type: ignore[attr-defined]
