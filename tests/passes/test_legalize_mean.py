import pytest
from pass_cases import assert_keeps, assert_rewrites

from tinyml.passes.legalize_mean import PASS


def test_mean_over_a_series() -> None:
    assert_rewrites(
        PASS,
        """
        input %x: float32[1,5,2]
        %y: float32[1,2] = mean(%x) axes=(1,)
        output %y
        """,
        """
        input %x: float32[1,5,2]
        %x_map: float32[1,5,1,2] = reshape(%x) shape=(1, 5, 1, 2) as "y_map" from "y"
        %y: float32[1,2] = mean(%x_map) axes=(1, 2)
        output %y
        """,
    )


def test_mean_over_the_time_of_a_map() -> None:
    assert_rewrites(
        PASS,
        "input %x: float32[1,5,1,2]\n%y: float32[1,1,1,2] = mean(%x) axes=(1,) keep_dims=true\noutput %y",
        "input %x: float32[1,5,1,2]\n%y: float32[1,1,1,2] = mean(%x) axes=(1, 2) keep_dims=true\noutput %y",
    )
    assert_rewrites(
        PASS,
        "input %x: float32[1,5,1,2]\n%y: float32[1,1,2] = mean(%x) axes=(1,)\noutput %y",
        """
        input %x: float32[1,5,1,2]
        %y_mean: float32[1,2] = mean(%x) axes=(1, 2) as "y"
        %y: float32[1,1,2] = reshape(%y_mean) shape=(1, 1, 2) as "y_shape" from "y"
        output %y
        """,
    )


@pytest.mark.parametrize("keep", ["", " keep_dims=true"])
def test_mean_of_mean(keep: str) -> None:
    inner, outer = ("1,5,1,2", "1,1,1,2") if keep else ("1,5,2", "1,2")
    assert_rewrites(
        PASS,
        f"""
        input %x: float32[1,5,3,2]
        %a: float32[{inner}] = mean(%x) axes=(2,){keep}
        %y: float32[{outer}] = mean(%a) axes=(1,){keep}
        output %y
        """,
        f"""
        input %x: float32[1,5,3,2]
        %y: float32[{outer}] = mean(%x) axes=(1, 2){keep} from "a + y"
        output %y
        """,
    )


@pytest.mark.parametrize(
    ("shape", "result", "axes"),
    [("1,5,3,2", "1,5,3", "3,"), ("1,5,3,2", "1,3,2", "1,"), ("1,5,3,2", "1,2", "1, 2"), ("1,5,2", "1", "1, 2")],
)
def test_other_means_stay(shape: str, result: str, axes: str) -> None:
    assert_keeps(PASS, f"input %x: float32[{shape}]\n%y: float32[{result}] = mean(%x) axes=({axes})\noutput %y")


def test_integers_are_rounded_after_each_mean() -> None:
    text = """
        input %x: int8[1,5,1,2] quant(0.5, 0)
        %a: int8[1,1,1,2] quant(0.5, 0) = mean(%x) axes=AXES keep_dims=true
        %y: int8[1,1,1,2] quant(0.25, 1) = mean(%a) axes=(1, 2) keep_dims=true
        output %y
        """
    assert_rewrites(PASS, text.replace("AXES", "(1,)"), text.replace("AXES", "(1, 2)"))
