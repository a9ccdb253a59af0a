"""From a float graph to one that computes on int8: observers, calibration, int8, QDQ, error reports."""

from tinyml.quantize.calibration import CalibrationData, open_calibration
from tinyml.quantize.mixed import Budget
from tinyml.quantize.model import QuantizedModel, prepare
from tinyml.quantize.pictures import Preprocess

__all__ = ["Budget", "CalibrationData", "Preprocess", "QuantizedModel", "open_calibration", "prepare"]
