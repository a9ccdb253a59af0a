"""Kernel selection, order and stages."""

from tinyml.schedule.select import schedule

__all__ = ["schedule"]
