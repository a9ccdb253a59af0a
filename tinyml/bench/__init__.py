"""Benchmarks of built models: data in, scores and times out."""
