"""Kernel selection, order and stages."""
