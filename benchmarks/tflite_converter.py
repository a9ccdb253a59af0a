"""The int8 model that TensorFlow's converter makes of a float one, for `tflite_models.py`: run where TensorFlow is."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tensorflow import int8, lite
from tensorflow.lite.python.optimize.calibrator import Calibrator


def main(given: Path, taken: Path) -> None:
    """Converts a .tflite file, with ranges from noise: sizes do not depend on them."""
    content = given.read_bytes()
    interpreter = lite.Interpreter(model_content=content)
    shapes = [detail["shape"] for detail in interpreter.get_input_details()]
    rng = np.random.default_rng(0)

    def samples() -> Iterator[list[np.ndarray]]:
        for _ in range(2):
            yield [rng.standard_normal(shape).astype(np.float32) for shape in shapes]

    taken.write_bytes(Calibrator(content).calibrate_and_quantize(samples, int8, int8, allow_float=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
