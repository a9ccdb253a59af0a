"""Numpy semantics of every operation: float32, and the integer kernels of TFLite's reference, bit for bit."""
