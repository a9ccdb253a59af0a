"""Writes data sets in the form of MLPerf Tiny's runner, where the benchmark's own are not at hand.

vww01 holds labelled pictures: folders `no_person` and `person`. The others hold noise, labelled with what LiteRT's reference
kernels answer: accuracy on it says how often the board answers as they do, and nothing of the model.
"""

import argparse
from pathlib import Path

import numpy as np
from common import shared_folder
from golden import litert_reference
from PIL import Image

from tinyml.frontends import load_model

MODELS = {"ic01": "ic_resnet8_int8", "kws01": "kws_dscnn_int8", "ad01": "ad01_int8"}
SLICE, SLICES, WINDOW = 128, 30, 5  # of a spectrogram of ad01: floats of a slice, slices of a file, slices of an input


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write vww01, ic01, kws01 and ad01 into")
    parser.add_argument("--pictures", type=Path, help="folders no_person and person (default: of the shared folder)")
    parser.add_argument("--count", type=int, default=100, help="files of each set, at most")
    arguments = parser.parse_args()
    pictures = arguments.pictures or shared_folder() / "images" / "test"
    write(arguments.out / "vww01", vww(pictures, arguments.count))
    for benchmark in MODELS:
        write(arguments.out / benchmark, noise(benchmark, arguments.count))


def write(folder: Path, files: list[tuple[bytes, str]]) -> None:
    """y_labels.csv, and one file for each of `files`: its bytes, and what its line says behind its name."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for index, (data, label) in enumerate(files):
        name = f"{index:04d}.bin"
        (folder / name).write_bytes(data)
        lines.append(f"{name},{label}\n")
    (folder / "y_labels.csv").write_text("".join(lines))
    print(f"{folder}: {len(files)} files")


def vww(pictures: Path, count: int) -> list[tuple[bytes, str]]:
    """Half of each class: 96 x 96 pixels of RGB, the whole picture squashed."""
    files = []
    for label, name in enumerate(("no_person", "person")):
        for path in sorted((pictures / name).iterdir())[: count // 2]:
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB").resize((96, 96), Image.Resampling.BILINEAR))
            files.append((pixels.tobytes(), f"2,{label}"))
    return files


def noise(benchmark: str, count: int) -> list[tuple[bytes, str]]:
    rng = np.random.default_rng(0)
    if benchmark == "ad01":
        return [spectrogram(rng) for _ in range(count)]
    model = shared_folder() / "models" / "mlperf_tiny" / f"{MODELS[benchmark]}.tflite"
    graph = load_model(model)
    shape, classes = graph.value(graph.inputs[0]).shape, graph.value(graph.outputs[0]).elements
    data, labels = [], []
    for _ in range(count):
        stored = patches(rng, shape)
        (answer,) = litert_reference(model, [stored])
        data.append(((stored.astype(np.int16) + 128).astype(np.uint8) if benchmark == "ic01" else stored).tobytes())
        labels.append(int(answer.argmax()))
    # The runner's area under the curve is not defined where a class is missing: the last files have wrong labels.
    missing = sorted(set(range(classes)) - set(labels))
    labels[count - len(missing) :] = missing
    print(f"{benchmark}: {len(missing)} of {count} labels are wrong on purpose")
    return [(file, f"{classes},{label}") for file, label in zip(data, labels, strict=True)]


def patches(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """int8 noise of large spots, so that more than one class answers."""
    small = rng.integers(-128, 128, (1, *(max(1, n // 8) for n in shape[1:3]), shape[3]))
    large = small.repeat(-(-shape[1] // small.shape[1]), 1).repeat(-(-shape[2] // small.shape[2]), 2)
    return np.ascontiguousarray(large[:, : shape[1], : shape[2]]).astype(np.int8)


def spectrogram(rng: np.random.Generator) -> tuple[bytes, str]:
    """Decibels as ad01 has them; an anomaly is louder, so that the network's error tells it."""
    label = int(rng.integers(2))
    levels = rng.normal(-20 + 12 * label, 8, (SLICES, SLICE)).astype("<f4")
    return levels.tobytes(), f"2,{label},{4 * SLICE * WINDOW},{4 * SLICE}"


if __name__ == "__main__":
    main()
