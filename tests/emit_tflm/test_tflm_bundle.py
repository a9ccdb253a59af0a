"""The bundle for TFLite Micro: the arena against what its interpreter was measured to need, and what the sources hold."""

import re
from pathlib import Path

import numpy as np
import pytest
import tflite

from tinyml import zoo
from tinyml.cli.main import main
from tinyml.emit.tflite import model_of
from tinyml.emit.tflite.flatbuffer import Model, Operator, Tensor, serialize
from tinyml.emit.tflm import emit_tflm
from tinyml.emit.tflm.arena import arena_bytes, with_true_use
from tinyml.errors import ModelError
from tinyml.frontends import load_model
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.ops import Clamp, ClipAttrs, Op
from tinyml.passes import canonicalize
from tinyml.quantize import prepare

# Model -> the least arena, to 16 bytes, with which MicroInterpreter::AllocateTensors() of tensorflow/tflite-micro at
# 90b983c2b3f1 (reference kernels, GCC 12) succeeded: on a Cortex-M4 under QEMU, and on x86-64.
ZOO = {
    "ds_cnn int8": (22864, 24112),
    "ds_cnn w8a16": (40960, 42176),
    "ds_cnn float32": (70736, 71936),
    "ds_cnn w4a8": (26992, 28256),
    "autoencoder int8": (20192, 21488),
    "autoencoder float32": (4528, 5664),
    "autoencoder w4a8": (20192, 21488),
    "mobilenet_v1 int8": (100688, 103440),
    "resnet8 int8": (54432, 55824),
    "resnet8 w8a16": (105680, 107040),
}
FILES = {
    "wake_vision/mcunet-vww0": (161184, 165776),
    "wake_vision/mcunet-vww1": (219760, 224608),
    "wake_vision/mcunet-vww2": (356000, 362944),
    "mlperf_tiny/vww_96_int8": (100672, 103392),
    "mlperf_tiny/ic_resnet8_int8": (54352, 55712),
    "mlperf_tiny/kws_dscnn_int8": (22784, 24000),
    "mlperf_tiny/ad01_int8": (2704, 4080),
    "mlperf_tiny/ad01_fp32": (20192, 21488),
    "tflite_micro/keyword_scrambled_8bit": (10400, 12512),
    "tflite_micro/hello_world_int8": (1072, 1616),
}


def stated(graph: Graph) -> tuple[int, int]:
    """The arena of the bundle, on 32 and on 64 bits."""
    match = re.search(r"ArenaBytes = sizeof\(void\*\) == 4 \? (\d+) : (\d+);", emit_tflm(graph, "net")["net_model.h"])
    assert match is not None
    return int(match[1]), int(match[2])


def assert_enough(graph: Graph, measured: tuple[int, int]) -> None:
    for ours, theirs in zip(stated(graph), measured, strict=True):
        assert theirs <= ours <= 1.1 * theirs


def graph_of(path: Path, precision: str = "int8") -> Graph:
    return prepare(canonicalize(load_model(path)), precision=precision).graph


@pytest.mark.parametrize("case", ZOO)
def test_arena(tmp_path: Path, case: str) -> None:
    name, precision = case.split()
    assert_enough(graph_of(zoo.save(name, tmp_path / "net.onnx"), precision), ZOO[case])


@pytest.mark.parametrize("name", FILES)
def test_arena_of_real_models(shared: Path, name: str) -> None:
    assert_enough(graph_of(shared / "models" / f"{name}.tflite"), FILES[name])


def test_an_arena_by_hand() -> None:
    """Three maps of 1024 bytes, two of which live at a time, on 32 bits: 2048 bytes of head.

    Tail: 36 + 44 + 36 + 8 + 8 = 132; three tensors of 12: 168; two nodes of 32: 232;
    no data of kernels; at 16: a pointer 240 (236 down to 16), a tensor of 40: 280; the same for the output: 288, 328.
    """
    tensors = [Tensor(f"t{i}", (1, 256), tflite.TensorType.FLOAT32) for i in range(3)]
    operators = [Operator("MAXIMUM", 1, (0, 0), (1,)), Operator("MAXIMUM", 1, (1, 1), (2,))]
    model = Model("net", "", tensors, operators, [0], [2])
    assert arena_bytes(model, 4) == 2048 + 336  # to a multiple of 16


def _chain(words: int, operators: int) -> Model:
    """`operators` one behind the other, maps of so many float32."""
    tensors = [Tensor(f"t{i}", (1, words), tflite.TensorType.FLOAT32) for i in range(operators + 1)]
    chain = [Operator("MAXIMUM", 1, (i, i), (i + 1,)) for i in range(operators)]
    return Model("net", "", tensors, chain, [0], [operators])


def test_the_interpreter_is_made_to_say_what_it_needed() -> None:
    """Maps of 16 bytes need less than the planner's lists, which the interpreter forgets: the output goes to their end.

    Lists on 32 bits: 12 requests of 12, a pointer, 9 infos of 24, 9 buffers of 40 and twice 16: 756, to a multiple of 16: 768.
    Tail: 132, 9 tensors of 12: 240, 8 nodes of 32: 496; ports: a pointer 512, a tensor 552, again 560 and 600. So 1264 bytes
    are needed, and a head of 1264 - 600, to 16: 656, ends with the output at 640.
    """
    model = _chain(4, 8)
    assert arena_bytes(model, 4) == 1264
    planned = with_true_use(model)
    plan = np.frombuffer(planned.metadata["OfflineMemoryAllocation"], "<i4")
    assert plan.tolist() == [1, 0, 9, *[-1] * 8, 640]
    assert arena_bytes(planned, 4) == 1264
    assert arena_bytes(planned, 8) == arena_bytes(model, 8)


def test_large_maps_need_no_plan() -> None:
    model = _chain(1024, 8)
    assert with_true_use(model) is model


def test_the_sources_hold_the_model_and_its_operators(tmp_path: Path) -> None:
    graph = graph_of(zoo.save("ds_cnn", tmp_path / "kws.onnx"))
    files = emit_tflm(graph, "key-words", "UNCALIBRATED")
    assert set(files) == {"key_words_model.h", "key_words_model.cc", "main.cc", "CMakeLists.txt"}
    header, source = files["key_words_model.h"], files["key_words_model.cc"]
    array = re.search(
        r"alignas\(16\) const unsigned char g_key_words_model\[\] = \{(.*)\};", source.split("static_assert")[0], re.S
    )
    assert array is not None
    content = bytes(int(number) for number in re.findall(r"\d+", array[1]))
    assert content == serialize(model_of(graph, "key-words")) and content[4:8] == b"TFL3"
    added = re.findall(r"resolver\.Add(\w+)\(\)", header)
    used = {o.op.replace("_", "").lower() for o in model_of(graph, "net").operators}
    assert {name.lower() for name in added} == used and len(added) == len(used)
    assert f"MicroMutableOpResolver<{len(used)}>" in header and "UNCALIBRATED" in header
    assert files == emit_tflm(graph, "key-words", "UNCALIBRATED")


def test_an_operator_that_tflite_micro_lacks_is_named() -> None:
    b = GraphBuilder("net")
    x = b.input("x", (1, 8), DType.FLOAT32)
    graph = b.build([b.node(Op.CLIP, [x], ClipAttrs(Clamp(-1.0, 1.0)))])
    with pytest.raises(ModelError, match="TFLite Micro has no operator RELU_N1_TO_1"):
        emit_tflm(graph, "net")


def test_the_command(tmp_path: Path) -> None:
    model = zoo.save("autoencoder", tmp_path / "ad.onnx")
    assert main(["build", str(model), "-o", str(tmp_path / "out"), "--emit", "tflm", "-q"]) == 0
    assert sorted(p.name for p in (tmp_path / "out" / "tflm").iterdir()) == [
        "CMakeLists.txt",
        "ad_model.cc",
        "ad_model.h",
        "main.cc",
    ]
