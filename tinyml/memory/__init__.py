"""Exact memory plans: lifetimes, the planner, the checker that trusts neither, and what to say about the peak."""

from tinyml.memory.checker import BrokenPlanError, check
from tinyml.memory.explain import LayerMemory, Peak, arena_capacity, fits, layer_memory, live_bytes, peak_report
from tinyml.memory.planner import plan_memory

__all__ = [
    "BrokenPlanError",
    "LayerMemory",
    "Peak",
    "arena_capacity",
    "check",
    "fits",
    "layer_memory",
    "live_bytes",
    "peak_report",
    "plan_memory",
]
