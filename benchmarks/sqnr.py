"""Signal to quantization noise at the output of the exported networks, in dB.

Below the bar are networks with random weights that amplify any noise, that of rounding their input included; there
onnxruntime's quantizer on the same data is the yardstick (docs/quantization.md explains each, layer by layer). Such a
row has no verdict, unless it is more than 2 dB worse than onnxruntime's: then it fails.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import ROOT, Row, shared_folder, show

from tinyml.quantize.error_report import output_sqnr

sys.path.insert(0, str(ROOT / "tests" / "quantize"))
from test_real_networks import by_onnxruntime, network, smooth_noise, to_graph

BAR = 25.0
MARGIN = 2.0
INPUTS = 48  # figures scatter by several dB from input to input
# network -> calibration samples: eight numbers a sample at the autoencoder's bottleneck need more to show their range
NETWORKS = {
    "ds_cnn_kws": 64,
    "squeezenet_like": 64,
    "resnet18_narrow": 64,
    "autoencoder_fc": 512,
    "lcnet_050": 64,
    "fomo_mbv2_035": 64,
    "mobilenetv3_small_050": 64,
    "mobilenetv2_035": 64,
    "mcunet_like": 64,
}


def rows() -> Iterator[Row]:
    shared = shared_folder()
    for name, samples in NETWORKS.items():
        with tempfile.TemporaryDirectory() as folder:
            graph, quantized, calibration, (stored, *_) = network(shared, name, Path(folder), samples)
            rng = np.random.default_rng(1)
            test = [stored, *(smooth_noise(rng, stored.shape) for _ in range(INPUTS - 1))]
            inputs = [to_graph(graph, x) for x in test]
            (together,) = output_sqnr(graph, quantized, inputs).values()
            median = float(np.median([list(output_sqnr(graph, quantized, [x]).values()) for x in inputs]))
            theirs = by_onnxruntime(shared / "coverage" / f"{name}.onnx", Path(folder), calibration, test)
        passed = True if together >= BAR else None if median >= theirs - MARGIN else False
        yield (name, *(f"{figure:.1f}" for figure in (together, BAR, median, theirs))), passed


if __name__ == "__main__":
    columns = ("network", "all inputs", "bar", "median input", "onnxruntime's median")
    sys.exit(show("Output of int8 networks against float, in dB", columns, rows()))
