"""TFLite's fixed-point arithmetic against its definitions in exact rational numbers."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyml.ir import fixedpoint as fp
from tinyml.ir.dtypes import DType
from tinyml.ir.ops import NO_CLAMP, RELU, RELU6, Clamp
from tinyml.ir.quant import QuantParams

int32s = st.integers(fp.INT32_MIN, fp.INT32_MAX)
multipliers = st.integers(1 << 30, fp.INT32_MAX)
HALF = Fraction(1, 2)


def towards_infinity(x: Fraction) -> int:
    return math.floor(x + HALF)


def away_from_zero(x: Fraction) -> int:
    return math.floor(x + HALF) if x >= 0 else -math.floor(-x + HALF)


def one(x: int) -> np.ndarray:
    return np.array([x])


@given(st.floats(2**-31, 2**29, allow_subnormal=False))
def test_a_factor_is_held_to_31_bits(real: float) -> None:
    multiplier, shift = fp.quantize_multiplier(real)
    assert 1 << 30 <= multiplier <= fp.INT32_MAX
    held = Fraction(multiplier) * Fraction(2) ** (shift - 31)
    assert abs(held / Fraction(real) - 1) <= Fraction(1, 1 << 31)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, (0, 0)),
        (1.0, (1 << 30, 1)),
        (0.75, (3 << 29, 0)),
        (1 - 2**-40, (1 << 30, 1)),  # rounds up to 2**31, which is halved
        (2.0**-32, (1 << 30, -31)),
        (2.0**-33, (0, 0)),
        (2.0**31, (fp.INT32_MAX, 30)),
    ],
)
def test_factors_at_the_ends(real: float, expected: tuple[int, int]) -> None:
    assert fp.quantize_multiplier(real) == expected


@given(int32s, int32s)
def test_high_mul(a: int, b: int) -> None:
    exact = min(towards_infinity(Fraction(a * b, 1 << 31)), fp.INT32_MAX)
    assert fp.saturating_rounding_doubling_high_mul(one(a), b)[0] == exact


@given(int32s, st.integers(0, 31))
def test_division_by_a_power_of_two(x: int, exponent: int) -> None:
    assert fp.rounding_divide_by_pot(one(x), exponent)[0] == away_from_zero(Fraction(x, 1 << exponent))


@given(st.integers(-(1 << 24), 1 << 24), multipliers, st.integers(-31, 7))
def test_multiplication_rounds_twice(x: int, multiplier: int, shift: int) -> None:
    product = towards_infinity(Fraction((x << max(shift, 0)) * multiplier, 1 << 31))
    expected = away_from_zero(Fraction(product, 1 << max(-shift, 0)))
    assert fp.multiply_by_quantized_multiplier(one(x), multiplier, shift)[0] == expected


def test_twice_is_not_once() -> None:
    """5 / 4: a half of 5 is rounded to 3, a half of that to 2."""
    assert fp.multiply_by_quantized_multiplier(one(5), *fp.quantize_multiplier(0.25))[0] == 2


@given(st.lists(st.tuples(st.integers(-1000, 1000), multipliers, st.integers(-20, 3)), min_size=1))
def test_arrays_broadcast(rows: list[tuple[int, int, int]]) -> None:
    x, multiplier, shift = (np.array(column) for column in zip(*rows, strict=True))
    each = [fp.multiply_by_quantized_multiplier(one(a), b, c)[0] for a, b, c in rows]
    assert fp.multiply_by_quantized_multiplier(x, multiplier, shift).tolist() == each


@given(st.integers(-1000, 1000), st.sampled_from([1, 2, 4, 8]))
def test_round_half_away(n: int, d: int) -> None:
    for kind in (np.float32, np.float64):
        assert fp.round_half_away(np.array([n / d], kind))[0] == away_from_zero(Fraction(n, d))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_round_next_to_a_half(kind: type[np.floating]) -> None:
    """Where adding 0.5 would round."""
    for tie in (0.5, 1.5, 2.5, 4.5):
        below, above = (np.nextafter(kind(tie), kind(end)) for end in (0, 10))
        rounded = fp.round_half_away(np.array([below, -below, tie, -tie, above, -above], kind)).tolist()
        n = math.floor(tie)
        assert rounded == [n, -n, n + 1, -n - 1, n + 1, -n - 1]


def test_quantization_next_to_a_half() -> None:
    below = np.nextafter(np.float32(0.5), np.float32(0))
    real = np.array([below, -below, 0.5, -0.5], np.float32)
    assert QuantParams.per_tensor(1.0, 0, DType.INT8).quantize(real).tolist() == [0, 0, 1, -1]


@given(st.integers(-(16 << 26), 0))
def test_exponential(raw: int) -> None:
    """Five integer bits, as softmax has them. A Taylor polynomial of degree 4 leaves (1/8)**5 / 5! at an eighth from its
    centre."""
    got = fp.exp_on_negative_values(one(raw), 5)[0]
    assert 0 <= got <= fp.INT32_MAX
    assert got / 2**31 == pytest.approx(math.exp(raw / 2**26), abs=(1 / 8) ** 5 / math.factorial(5))


@given(st.integers(0, fp.INT32_MAX))
def test_one_over_one_plus(raw: int) -> None:
    got = fp.one_over_one_plus(one(raw))[0]
    assert got / 2**31 == pytest.approx(1 / (1 + raw / 2**31), abs=2**-28)


@given(st.integers(1 << 12, fp.INT32_MAX))
def test_reciprocal(raw: int) -> None:
    mantissa, over_unit = fp.reciprocal(one(raw), 12)
    x = raw / 2**19
    assert float(mantissa[0]) / 2**31 * 2.0 ** -float(over_unit[0]) == pytest.approx(1 / x, rel=2**-27)


@pytest.mark.parametrize(
    ("clamp", "scale", "zero", "expected"),
    [
        (NO_CLAMP, 0.1, 5, (-128, 127)),
        (RELU, 0.1, -10, (-10, 127)),
        (RELU6, 0.05, -10, (-10, 110)),
        (RELU6, 0.04, -10, (-10, 127)),  # 140 saturates
        (Clamp(-1.0, 1.0), 0.4, 0, (-3, 3)),  # 2.5 rounds away from zero, on both sides
    ],
)
def test_activation_range(clamp: Clamp, scale: float, zero: int, expected: tuple[int, int]) -> None:
    assert fp.activation_range(clamp, QuantParams.per_tensor(scale, zero, DType.INT8)) == expected


@given(
    st.integers(-128, 127),
    st.sampled_from([0.5, 0.25, 1.0, 2.0]),
    st.integers(-128, 127),
    st.sampled_from([0.5, 1.0]),
    st.integers(-128, 127),
)
def test_requantization_by_powers_of_two(x: int, a: float, za: int, b: float, zb: int) -> None:
    """A ratio of at least 1/2 leaves no second rounding: halves go to the side of plus infinity."""
    if a / b < 0.5:
        a = b
    source, target = QuantParams.per_tensor(a, za, DType.INT8), QuantParams.per_tensor(b, zb, DType.INT8)
    expected = min(max(towards_infinity(Fraction(a / b) * (x - za)) + zb, -128), 127)
    assert fp.requantize(np.array([x], np.int8), source, target)[0] == expected
