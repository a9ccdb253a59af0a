"""How weights of 4 bits are packed: include/tinyml_lanes_w4.h, include/tinyml_widen_w4.h and the portable kernels."""

import numpy as np

LANES = (1 << 31, 1 << 27, 1 << 23, 1 << 19)
"""The sums of the channels a, b, c and d of a word are exact below these."""


def nibbles(rows: np.ndarray) -> np.ndarray:
    """int8 [row][pair]: two weights a byte, the first in the low nibble, in two's complement; a row begins with a byte."""
    even = np.pad(rows.astype(np.int32), ((0, 0), (0, rows.shape[1] % 2)))
    packed: np.ndarray = (even[:, 1::2] * 16 + (even[:, ::2] & 15)).astype(np.int8)
    return packed


def lanes(rows: np.ndarray) -> np.ndarray:
    """int8, the bytes of words [four rows a b c d][pair of taps]; zeros fill up fours of rows, and pairs."""
    padded = np.pad(rows.astype(np.int32), [(0, -rows.shape[0] % 4), (0, rows.shape[1] % 2)])
    a, b, c, d = padded.reshape(-1, 4, padded.shape[1]).transpose(1, 0, 2)
    lane = 4096 * d + 256 * (c + 8) + 16 * (b + 8) + (a + 8)
    return np.ascontiguousarray(lane, "<i2").view(np.int8)


def in_eights(rows: np.ndarray, *, by_tap: bool) -> np.ndarray:
    """int8 [channel][tap]: of each eight channels, the first four in the low nibbles of bytes and the others in the high
    ones, tap by tap or channel by channel. Zeros fill up the last eight."""
    taps = rows.shape[1]
    fours = np.pad(rows, ((0, -len(rows) % 8), (0, 0))).reshape(-1, 2, 4, taps)
    if by_tap:
        fours = fours.transpose(0, 1, 3, 2)
    return nibbles(fours.reshape(-1, 2, 4 * taps).transpose(0, 2, 1).reshape(-1, 8 * taps))
