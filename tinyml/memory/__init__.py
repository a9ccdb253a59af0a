"""Exact memory plans: lifetimes, the planner, the checker that trusts neither, and what to say about the peak."""
