"""Labelled pictures, in the forms in which they are published."""

from tinyml.bench.data.detect import open_classes, open_wake_vision
from tinyml.bench.data.sample import EXCLUDED, GROUPS, Dataset, Sample, Selection

__all__ = ["EXCLUDED", "GROUPS", "Dataset", "Sample", "Selection", "open_classes", "open_wake_vision"]
