"""From a float graph to one that computes on int8: observers, calibration, int8, QDQ, error reports."""

from tinyml.quantize.calibration import CalibrationData, Preprocess, open_calibration
from tinyml.quantize.mixed import Budget
from tinyml.quantize.model import QuantizedModel, prepare

__all__ = ["Budget", "CalibrationData", "Preprocess", "QuantizedModel", "open_calibration", "prepare"]
