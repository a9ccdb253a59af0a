"""The emulated board."""

from tinyml.device.emulator.board import OUTSIDE, EmulatedBoard
from tinyml.device.emulator.timing import Cost, has_cycle_model, timing_digest

__all__ = ["OUTSIDE", "Cost", "EmulatedBoard", "has_cycle_model", "timing_digest"]
