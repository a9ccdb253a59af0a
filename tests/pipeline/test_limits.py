"""What does not fit is refused before anything is compiled where that can be known: by how much, where, what to do."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tinyml import zoo
from tinyml.errors import DoesNotFitError, UsageError
from tinyml.pipeline import Options, compile_model, need
from tinyml.schedule.model import Objective
from tinyml.targets import generic_target, load_board, with_limits

# DS-CNN's blocks map 25 x 5 x 64 bytes onto as many.
BLOCK = 2 * 25 * 5 * 64


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zoo.save("ds_cnn", tmp_path_factory.mktemp("zoo") / "ds_cnn.onnx")


def options(model: Path, folder: Path) -> Options:
    """With all buffers in the region that is limited."""
    return Options(model=model, board=load_board("stm32h7"), work_dir=folder, several_arenas=False)


def test_reserved_sram(model: Path, tmp_path: Path) -> None:
    """To the byte: all but the smallest arena can be reserved, one byte more cannot."""
    given = options(model, tmp_path)
    room, fast = given.board.arena_bytes, replace(given, objective=Objective.LATENCY)
    assert BLOCK <= need(compile_model(fast, stop_after="memory").plan).peak_bytes <= BLOCK + 2048
    small = with_limits(given.board, 1 << 10, None)
    with pytest.raises(DoesNotFitError) as caught:
        compile_model(replace(given, board=small), stop_after="memory")
    found = re.search(r"its arena takes ([\d,]+) bytes", caught.value.what)
    assert found is not None
    arena = int(found[1].replace(",", ""))
    assert arena < BLOCK
    compile_model(replace(given, reserve_sram=room - arena), stop_after="memory")
    with pytest.raises(DoesNotFitError) as caught:
        compile_model(replace(given, reserve_sram=room - arena + 1), stop_after="memory")
    assert caught.value.exit_code == 3
    assert "ds_cnn does not fit st_nucleo_h743zi by 1 bytes of SRAM" in caught.value.what
    assert f"its arena takes {arena:,} bytes" in caught.value.what
    assert f"without {room - arena + 1:,} reserved" in caught.value.what
    assert f"reserve at most {room - arena:,} bytes (--reserve-sram)" in str(caught.value.hint)


def test_sram_names_the_layer(model: Path, tmp_path: Path) -> None:
    board = with_limits(load_board("stm32h7"), 4 << 10, None)
    with pytest.raises(DoesNotFitError) as caught:
        compile_model(replace(options(model, tmp_path), board=board), stop_after="memory")
    lines = caught.value.what.splitlines()
    assert "its arena takes" in lines[0] and f"has {4 << 10:,}" in lines[0]
    assert "the peak is in Conv 'stem'" in lines[1] and " to " in lines[1]
    sizes = [int(line.split()[0].replace(",", "")) for line in lines[2:]]
    # The input, and three rows before each depthwise convolution. Pointwise ones compute in place.
    assert sum(sizes) >= 49 * 10 + 4 * 3 * 5 * 64
    assert "nucleo_l4r5zi" in str(caught.value.hint)


def test_what_one_region_does_not_hold_goes_to_several(model: Path, tmp_path: Path) -> None:
    """4 KiB of AXI SRAM hold no block of DS-CNN; what lives longest and is hottest has the DTCM."""
    given = replace(
        options(model, tmp_path), board=with_limits(load_board("stm32h7"), 4 << 10, None), several_arenas=True
    )
    plan = need(compile_model(given, stop_after="memory").plan)
    assert [arena.region for arena in plan.arenas] == ["dtcm"]  # which is as fast as any, and holds all
    with pytest.raises(DoesNotFitError, match="its arena takes"):
        compile_model(replace(given, sram_limited=True), stop_after="memory")


def test_what_would_need_less_is_named(model: Path, tmp_path: Path) -> None:
    given = options(model, tmp_path)
    least = replace(given, stream_input=True, objective=Objective.SRAM)
    with pytest.raises(DoesNotFitError) as caught:
        compile_model(replace(given, board=with_limits(given.board, 4 << 10, None)), stop_after="memory")
    found = re.search(r"--stream-input, which keeps no picture: ([\d,]+) bytes", str(caught.value.hint))
    assert found is not None
    streamed = need(compile_model(least, stop_after="memory").plan).peak_bytes
    assert int(found[1].replace(",", "")) <= streamed


def test_sizes_without_a_board_that_fits(model: Path, tmp_path: Path) -> None:
    """`analyze` wants the plan of what does not fit."""
    board = with_limits(load_board("stm32h7"), 1 << 10, None)
    done = compile_model(replace(options(model, tmp_path), board=board, check_fit=False), stop_after="memory")
    assert need(done.plan).peak_bytes > board.arena_bytes


def test_weights_larger_than_flash(model: Path, tmp_path: Path) -> None:
    """No compiler is asked. The largest layers are the pointwise ones, 64 x 64 and three words or so a channel."""
    board = with_limits(load_board("stm32h7"), None, 20 << 10)
    with pytest.raises(DoesNotFitError) as caught:
        compile_model(replace(options(model, tmp_path), board=board, toolchain="none"), stop_after="build")
    done = compile_model(replace(options(model, tmp_path), board=board), stop_after="emit")
    constants = need(done.bundle).weights_bytes + need(done.bundle).parameters_bytes
    # MLPerf Tiny's DS-CNN has 22,604 parameters; of each channel's three words at least one is not among them.
    assert 22_604 < constants < 22_604 * 1.5
    assert (
        f"ds_cnn does not fit st_nucleo_h743zi: its weights take {constants:,} bytes of flash, flash has 20,480: "
        f"{constants - 20_480:,} too many" in caught.value.what
    )
    assert "the largest share is in Conv 'block1.pw' + Relu 'block1.pw.relu' (conv2d)" in caught.value.what
    assert "more flash" in str(caught.value.hint)


@pytest.mark.parametrize("toolchain", ["arm-none-eabi-gcc", "ziglang"])
def test_code_larger_than_flash(model: Path, tmp_path: Path, toolchain: str) -> None:
    """Weights have room, the program has not: only the linker knows. Other objectives have more constants where they fit."""
    if toolchain == "arm-none-eabi-gcc" and shutil.which(toolchain) is None:
        pytest.skip("arm-none-eabi-gcc is not on the PATH")
    given = replace(options(model, tmp_path), toolchain=toolchain, objective=Objective.FLASH)
    bundle = need(compile_model(given, stop_after="emit").bundle)
    constants = bundle.weights_bytes + bundle.parameters_bytes
    flash = (constants + 4096) // 1024 * 1024
    with pytest.raises(DoesNotFitError, match=r"region flash \([\d,]+ bytes\) is too small by [\d,]+ bytes") as caught:
        compile_model(replace(given, board=generic_target("cortex-m7", 128 << 10, flash)), stop_after="build")
    assert f"its weights take {constants:,} bytes" in str(caught.value.hint)


def test_limit_beyond_the_board() -> None:
    with pytest.raises(UsageError, match="st_nucleo_h743zi has 524,288 bytes of axi_sram, asked for 1,048,576"):
        with_limits(load_board("stm32h7"), 1 << 20, None)


def test_keep_input_costs_its_bytes_where_it_was_used_again(model: Path, tmp_path: Path) -> None:
    given = replace(options(model, tmp_path), objective=Objective.LATENCY)
    plans = [need(compile_model(replace(given, keep_input=k), stop_after="memory").plan) for k in (False, True)]
    assert [plan.input_preserved for plan in plans] == [False, True]
    assert 0 <= plans[1].peak_bytes - plans[0].peak_bytes - 49 * 10 < 64
