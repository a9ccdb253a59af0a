"""Trains a small person detector as Wake Vision's authors train theirs: MobileNetV2, AdamW, a warm-up and a cosine.

Source of the recipe: github.com/harvard-edge/Wake_Vision, experiment_config.py and pp_ops.py.
"""

import contextlib
import math
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tinyml.bench.data import Dataset
from tinyml.bench.pictures import Filter, Fit, PictureError, Preparation, decode
from tinyml.build.files import write_file
from tinyml.errors import ToolError, UsageError

_SHUFFLED = 1000  # pictures that are drawn from, as the authors have it
_FIRST_RATE, _WEIGHT_DECAY = 1e-5, 4e-6
_WARM_UP = 1000  # steps; of a short run a tenth
_CROPS_TRIED = 10


@dataclass(frozen=True, slots=True)
class Recipe:
    """The authors train 200,000 steps of 128 pictures at 224 pixels.

    Attributes:
        size: pixels of a side; width: multiplier of MobileNetV2's channels.
        rate: largest learning rate; area: of a picture that a crop takes at least.
    """

    size: int = 96
    width: float = 0.25
    steps: int = 200_000
    batch: int = 128
    rate: float = 0.002
    area: float = 0.6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not 32 <= self.size <= 512 or not 0.05 <= self.width <= 2:
            raise UsageError(
                f"zoo train: steps {self.steps}, batch {self.batch}, size {self.size}, width {self.width:g}",
                "expected at least one step and picture, 32 to 512 pixels, a width from 0.05 to 2",
            )


@dataclass(frozen=True, slots=True)
class Trained:
    """Attributes:
    accuracy: of the float model on the validation set, between 0 and 1; None without one.
    """

    steps: int
    loss: float
    accuracy: float | None


def train(
    data: Dataset,
    validation: Dataset | None,
    recipe: Recipe,
    out: Path,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> Trained:
    """Writes the trained network as a float .tflite file, whose input is pixel / 127.5 - 1.

    Args:
        on_step: called with the number of steps done and the loss of the last one.

    Raises:
        ToolError: Keras or TensorFlow is not installed.
        UsageError: a class has no picture that can be used.
    """
    keras, tensorflow = _keras()
    keras.utils.set_random_seed(recipe.seed)
    model = _model(keras, recipe)
    losses: list[float] = []
    for step, (pictures, labels) in enumerate(_batches(data, recipe), start=1):
        model.reset_metrics()  # else the loss is the mean of all steps so far
        losses.append(float(model.train_on_batch(pictures, labels)))
        on_step(step, losses[-1])
        if step == recipe.steps:
            break
    accuracy = None if validation is None else _accuracy(model, validation, recipe)
    write_file(out, _tflite(tensorflow, model))
    return Trained(recipe.steps, losses[-1], accuracy)


def _keras() -> tuple[Any, Any]:
    try:
        import keras
        import tensorflow
    except ImportError as e:
        raise ToolError(
            "training needs Keras and TensorFlow, which are not installed", "python -m pip install 'tinyml[train]'"
        ) from e
    return keras, tensorflow


def _model(keras: Any, recipe: Recipe) -> Any:
    shape = (recipe.size, recipe.size, 3)
    model = keras.applications.MobileNetV2(input_shape=shape, alpha=recipe.width, weights=None, classes=2)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # Means over the last thousand steps, as the authors have them; over a part of a run that is shorter.
            layer.momentum = min(layer.momentum, max(0.5, 1 - 10 / recipe.steps))
    warm_up = min(_WARM_UP, recipe.steps // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        _FIRST_RATE if warm_up else recipe.rate,
        max(1, recipe.steps - warm_up),
        warmup_target=recipe.rate if warm_up else None,
        warmup_steps=warm_up,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=_WEIGHT_DECAY)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy())
    return model


def _tflite(tensorflow: Any, model: Any) -> bytes:
    with contextlib.redirect_stdout(sys.stderr):  # the converter tells of its own files
        content: bytes = tensorflow.lite.TFLiteConverter.from_keras_model(model).convert()
    return content


# --- pictures ---------------------------------------------------------------------------------------------------------


def _batches(data: Dataset, recipe: Recipe) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Without end. As many persons as others, each cropped and mirrored by chance."""
    chance = random.Random(recipe.seed)
    sides = [_class(data, label, chance) for label in (0, 1)]
    while True:
        labels = [i % 2 for i in range(recipe.batch)]
        pictures = np.stack([_augmented(next(sides[label]), recipe, chance) for label in labels])
        yield as_input(pictures), np.array(labels)


def _class(data: Dataset, label: int, chance: random.Random) -> Iterator[Image.Image]:
    """Decoded pictures of a class, over and over, shuffled within a window.

    Raises:
        UsageError: a whole round gave none.
    """
    waiting: list[Image.Image] = []
    while True:
        given = 0
        for sample in data.read(range(len(data))):
            if sample.label != label or sample.problem is not None or sample.picture is None:
                continue
            try:
                waiting.append(decode(sample.picture, 3))
            except PictureError:
                continue  # training goes on with what can be read; the benchmark counts the others
            given += 1
            if len(waiting) >= _SHUFFLED:
                yield waiting.pop(chance.randrange(len(waiting)))
        if given == 0:
            raise UsageError(f"training data: no usable picture of class {data.classes[label]}")
        chance.shuffle(waiting)
        while waiting:
            yield waiting.pop()


def _augmented(picture: Image.Image, recipe: Recipe, chance: random.Random) -> np.ndarray:
    """A crop of at least `area`, of sides from 3:4 to 4:3 where that is possible; mirrored every second time."""
    width, height = picture.size
    box = (0.0, 0.0, float(width), float(height))
    for _ in range(_CROPS_TRIED):
        share, ratio = chance.uniform(recipe.area, 1.0), math.exp(chance.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = math.sqrt(share * width * height * ratio), math.sqrt(share * width * height / ratio)
        if w <= width and h <= height:
            x, y = chance.uniform(0, width - w), chance.uniform(0, height - h)
            box = (x, y, x + w, y + h)
            break
    if chance.random() < 0.5:
        box = (box[2], box[1], box[0], box[3])
    size = (recipe.size, recipe.size)
    return np.asarray(picture.transform(size, Image.Transform.EXTENT, box, Image.Resampling.BILINEAR))


def as_input(pixels: np.ndarray) -> np.ndarray:
    """uint8 to what the network takes: -1 to 1."""
    real: np.ndarray = pixels.astype(np.float32) / 127.5 - 1.0
    return real


def _accuracy(model: Any, data: Dataset, recipe: Recipe) -> float:
    """Of all pictures that can be used, cropped as the suite evaluates."""
    prepare = Preparation(recipe.size, recipe.size, 3, Fit.CROP, Filter.AREA)
    right = count = 0
    for sample in data.read(range(len(data))):
        if sample.label not in (0, 1) or sample.problem is not None or sample.picture is None:
            continue
        try:
            pixels = prepare(sample.picture)
        except PictureError:
            continue
        answer = int(np.argmax(model.predict_on_batch(as_input(pixels[np.newaxis]))))
        right, count = right + (answer == sample.label), count + 1
    return right / max(count, 1)
