"""Reference architectures as ONNX models: names and shapes follow the papers, weights are seeded and random."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

import onnx

from tinyml.errors import UsageError
from tinyml.zoo.mcunet import RESOLUTIONS, mcunet
from tinyml.zoo.mlperf import autoencoder, ds_cnn, resnet8
from tinyml.zoo.mobilenet import mobilenet_v1, mobilenet_v2, mobilenet_v3_small

__all__ = ["ENTRIES", "Entry", "build", "save"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An architecture.

    Attributes:
        build: called with the seed and the options.
        macs: multiply-accumulates of convolutions and matrix products, with the default options.
        parameters: weights and biases, batch normalization folded where the model has it folded.
    """

    name: str
    description: str
    build: Callable[..., onnx.ModelProto]
    macs: int
    parameters: int

    @property
    def options(self) -> Mapping[str, int | float | str]:
        """The names of the options and their defaults."""
        parameters = signature(self.build).parameters.values()
        return MappingProxyType({p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY})


_ALL = (
    Entry("mobilenet_v1", "MobileNetV1 0.25, 96 px: MLPerf Tiny visual wake words", mobilenet_v1, 7_489_664, 210_850),
    Entry("mobilenet_v2", "MobileNetV2, inverted residuals", mobilenet_v2, 10_656_688, 391_650),
    Entry("mobilenet_v3_small", "MobileNetV3-small, squeeze-excite", mobilenet_v3_small, 3_607_280, 402_218),
    Entry("mcunet", "MCUNet for visual wake words (variant vww0, vww1 or vww2)", mcunet, 11_578_816, 426_634),
    Entry("resnet8", "ResNet-8, 32 px: MLPerf Tiny image classification", resnet8, 12_501_632, 77_706),
    Entry("ds_cnn", "DS-CNN: MLPerf Tiny keyword spotting", ds_cnn, 2_656_768, 22_604),
    Entry("autoencoder", "dense autoencoder: MLPerf Tiny anomaly detection", autoencoder, 264_192, 269_992),
)
ENTRIES: Mapping[str, Entry] = MappingProxyType({e.name: e for e in _ALL})


def build(name: str, seed: int = 0, **options: Any) -> onnx.ModelProto:
    """A model with weights drawn from `seed`: the same arguments give the same bytes.

    Raises:
        UsageError: there is no such architecture or option, or an option has an unusable value.
    """
    entry = ENTRIES.get(name)
    if entry is None:
        near = get_close_matches(name, ENTRIES, n=1)
        raise UsageError(
            f"zoo: there is no {name!r}, expected one of {', '.join(ENTRIES)}",
            f"did you mean {near[0]}?" if near else None,
        )
    for option, value in options.items():
        if option not in entry.options:
            raise UsageError(f"zoo: {name} has no option {option!r}, expected {', '.join(entry.options) or 'none'}")
        _check(name, option, value)
    return entry.build(seed, **options)


def save(name: str, path: str | Path, seed: int = 0, **options: Any) -> Path:
    """Writes the model of `build` and returns where it is."""
    path = Path(path)
    path.write_bytes(build(name, seed, **options).SerializeToString(deterministic=True))
    return path


def _check(name: str, option: str, value: Any) -> None:
    where = f"zoo: {name}: {option} is {value!r}, expected"
    if option == "variant":
        if value not in RESOLUTIONS:
            raise UsageError(f"{where} {', '.join(RESOLUTIONS)}")
    elif option == "alpha":
        if not isinstance(value, int | float) or not 0.05 <= value <= 4:
            raise UsageError(f"{where} a number from 0.05 to 4")
    elif not isinstance(value, int) or not 1 <= value <= 4096 or (option == "resolution" and value < 32):
        raise UsageError(f"{where} a whole number up to 4096{' from 32' * (option == 'resolution')}")
