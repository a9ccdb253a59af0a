"""Exact memory plans: lifetimes, the planner, the checker that trusts neither, and what to say about the peak."""

from tinyml.memory.checker import BrokenPlanError, check
from tinyml.memory.explain import (
    LayerMemory,
    Peak,
    arena_capacity,
    excess,
    fits,
    layer_memory,
    live_bytes,
    most_live,
    peak_report,
)
from tinyml.memory.planner import plan_memory
from tinyml.memory.regions import parse_wishes, place_memory, rooms_of

__all__ = [
    "BrokenPlanError",
    "LayerMemory",
    "Peak",
    "arena_capacity",
    "check",
    "excess",
    "fits",
    "layer_memory",
    "live_bytes",
    "most_live",
    "parse_wishes",
    "peak_report",
    "place_memory",
    "plan_memory",
    "rooms_of",
]
