"""Numpy semantics of every operation: float32, and the integer kernels of TFLite's reference, bit for bit."""

import tinyml.ir.ops  # noqa: F401  declares operations with what is here: whichever is imported first, it has to come before
