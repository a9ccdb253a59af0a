"""Profiles and traces of a firmware whose every figure is known."""

from collections.abc import Callable

import pytest

from tinyml.build.image import FirmwareImage
from tinyml.profile import profile_emulated, trace_emulated

pytestmark = pytest.mark.emulated

Build = Callable[..., FirmwareImage]
TARGETS = ["nucleo_h743zi", "nucleo_l4r5zi", "qemu_mps2_an500", "cortex-m0", "cortex-m0+", "cortex-m3", "cortex-m33"]


@pytest.mark.parametrize("target", TARGETS)
def test_outputs_are_right_on_every_core(
    build_net: Build, net_inputs: list[bytes], net_outputs: tuple[bytes, bytes], target: str
) -> None:
    image = build_net(target)
    assert profile_emulated(image, net_inputs).outputs == net_outputs
    for fill in (0x00, 0xFF):
        trace = trace_emulated(image, net_inputs, fill=fill)
        assert trace.layers == ({"sum": net_outputs[0]}, {"sums": net_outputs[1]})
        assert trace.outputs == net_outputs


def test_profile_adds_up(build_net: Build, net_inputs: list[bytes]) -> None:
    image = build_net("nucleo_h743zi")
    profile = profile_emulated(image, net_inputs)
    assert [layer.function for layer in profile.layers] == ["net_layer_00_add", "net_layer_01_sums"]
    first, second = profile.layers
    assert first.instructions >= 64 // 4  # the addition may be vectorised by four, and no further
    assert second.instructions >= 2 * 128  # a store and a load of each element of a volatile array
    between = profile.instructions - first.instructions - second.instructions
    assert 0 < between < 20
    assert profile.cycles is not None
    assert profile.clock_hz == 480_000_000
    assert profile.ms == profile.cycles / 480_000
    assert 512 < profile.stack_bytes < 8192  # the second layer alone has an array of 512 bytes
    assert profile.arena_bytes == 200  # of 256


def test_small_cores_have_cycles_too(build_net: Build) -> None:
    profile = profile_emulated(build_net("cortex-m0"))
    assert profile.cycles is not None
    assert profile.instructions < profile.cycles < 3 * profile.instructions
    assert profile.ms is None  # a generic target has no clock


def test_a_clock_is_needed_for_milliseconds(build_net: Build) -> None:
    image = build_net("qemu_mps2_an500")
    assert profile_emulated(image).ms is not None
    generic = profile_emulated(build_net("cortex-m7"))
    assert generic.cycles is not None
    assert generic.ms is None


def test_profiles_repeat(build_net: Build) -> None:
    image = build_net("nucleo_l4r5zi")
    assert profile_emulated(image) == profile_emulated(image)
