"""Exported networks of many architectures, with outputs as onnxruntime computed them."""

import re
from pathlib import Path

import numpy as np
import pytest

from tinyml.errors import ModelError
from tinyml.frontends.onnx import load
from tinyml.ir.interpreter import run
from tinyml.ir.verify import verify

COMPILED = [
    "autoencoder_fc",
    "deeplab_lite",
    "densenet_small",
    "ds_cnn_kws",
    "ecg_resnet1d",
    "espcn_x3",
    "fomo_mbv2_035",
    "lcnet_050",
    "mcunet_like",
    "mobilenetv2_035",
    "mobilenetv3_small_050",
    "resnet18_narrow",
    "shufflenetv2_like",
    "squeezenet_like",
    "ssdlite_mbv2",
    "starnet_s050",
    "tcn_causal",
    "test_efficientnet_gn",
    "transformer_sensor",
    "unet_small",
    "vit_small_img",
    "vit_small_img.dynamo",
    "yolo_nano",
]
# What has no kernel, and in how many nodes.
REFUSED = {
    "gru_kws": {"GRU": 2},
    "lstm_kws": {"LSTM": 1},
    "lstm_kws.dynamo": {"LSTM": 1},
}


@pytest.mark.parametrize("name", COMPILED)
def test_computes_what_onnxruntime_computed(shared: Path, name: str) -> None:
    graph = load(shared / "coverage" / f"{name}.onnx")
    verify(graph)
    with np.load(shared / "coverage" / f"{name}.npz") as expected:
        outputs = run(graph, {i: expected[i] for i in graph.inputs}).outputs
        assert sorted(outputs) == sorted(k for k in expected.files if k.startswith("output"))
        for output, ours in outputs.items():
            theirs = expected[output]
            assert ours.shape == theirs.shape
            assert np.max(np.abs(ours - theirs)) <= 1e-4 * np.max(np.abs(theirs))


@pytest.mark.parametrize("name", REFUSED)
def test_names_every_node_that_has_no_kernel(shared: Path, name: str) -> None:
    path = shared / "coverage" / f"{name}.onnx"
    with pytest.raises(ModelError) as failure:
        load(path)
    text = str(failure.value)
    assert text.startswith(f"{path}: ")
    ops = re.findall(r"^  (\w+) '.*': there is no kernel for this operation$", text, re.MULTILINE)
    assert {op: ops.count(op) for op in ops} == REFUSED[name]
    assert text.count("\n    closest: ") == len(REFUSED[name])
