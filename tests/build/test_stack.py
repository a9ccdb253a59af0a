"""The bound of the stack: code whose depth is known by hand, the compiler's own figures, and what firmware really used."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinyml.build.stack import call_bound, stack_bound
from tinyml.build.toolchain import find_toolchain
from tinyml.errors import ToolError
from tinyml.pipeline import Options, compile_model
from tinyml.profile import profile_emulated
from tinyml.resources import resource_dir
from tinyml.targets import CORES, generic_target, load_board

GCC = "arm-none-eabi-gcc"
needs_gcc = pytest.mark.skipif(shutil.which(GCC) is None, reason=f"{GCC} is not installed")

HEAD = ".syntax unified\n.thumb\n"


def _function(name: str, *lines: str) -> str:
    body = "\n".join(lines)
    return f".global {name}\n.type {name}, %function\n{name}:\n{body}\n.size {name}, .-{name}\n"


def _assemble(folder: Path, source: str, core: str = "cortex-m4") -> Path:
    (folder / "code.s").write_text(HEAD + source)
    elf = folder / "code.elf"
    flags = ["-mthumb", *CORES[core].gcc_flags, "-nostdlib", "-Wl,-e,top", "-Wl,-Ttext=0x1000"]
    subprocess.run([GCC, *flags, str(folder / "code.s"), "-o", str(elf)], check=True)
    return elf


@needs_gcc
@pytest.mark.parametrize(
    ("lines", "below", "depth"),
    [
        (("push {r4, lr}", "sub sp, #24", "add sp, #24", "pop {r4, pc}"), "", 8 + 24),
        (("push {r4, lr}", "vpush {d8-d9}", "vpop {d8-d9}", "pop {r4, pc}"), "", 8 + 16),
        (("str lr, [sp, #-16]!", "ldr pc, [sp], #16"), "", 16),
        (("strd r4, r5, [sp, #-24]!", "ldrd r4, r5, [sp], #24", "bx lr"), "", 24),
        # A frame pointer keeps the depth that the stack returns to.
        (("push {r7, lr}", "add r7, sp, #0", "sub sp, #40", "mov sp, r7", "pop {r7, pc}"), "", 48),
        # An early return does not make what follows it shallower.
        (("push {r4, lr}", "cmp r0, #0", "it eq", "popeq {r4, pc}", "push {r0}", "pop {r0}", "pop {r4, pc}"), "", 12),
        # Both ways of a branch.
        (("cbz r0, 1f", "push {r4-r7}", "pop {r4-r7}", "1: push {r4}", "pop {r4}", "bx lr"), "", 16),
        # A table of branches: what stands behind it is reached with the depth at the jump.
        (
            ("push {r4, lr}", "tbb [pc, r0]", "1: .byte (2f-1b)/2, 0", "2: push {r0-r3}", "pop {r0-r3}", "pop {r4, pc}"),
            "",
            8 + 16,
        ),
        # Calls add up; a tail call comes when the frame is gone.
        (("push {lr}", "bl below", "pop {pc}"), "below", 4 + 32),
        (("push {lr}", "pop {lr}", "b below"), "below", 32),
        (("push {r3, lr}", "blx r0", "pop {r3, pc}", ".align 2", ".word below"), "", 8),
        (("push {r3, lr}", "ldr r0, =below", "blx r0", "pop {r3, pc}", ".ltorg"), "below", 8 + 32),
        (("push {r3, lr}", "movw r0, #:lower16:below", "movt r0, #:upper16:below", "blx r0", "pop {r3, pc}"), "below", 40),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else None,
)  # fmt: skip
def test_depths_worked_out_by_hand(tmp_path: Path, lines: tuple[str, ...], below: str, depth: int) -> None:
    source = _function("top", *lines) + _function("below", "push {r0-r7}", "pop {r0-r7}", "bx lr")
    found = call_bound(_assemble(tmp_path, source), "top")
    assert found.bytes == depth
    assert found.path == (("top", below) if below else ("top",))


@needs_gcc
def test_pointers_in_a_table_are_called_where_the_table_is_named(tmp_path: Path) -> None:
    source = (
        _function("top", "push {r4, lr}", "ldr r0, =table", "ldr r0, [r0]", "blx r0", "pop {r4, pc}", ".ltorg")
        + _function("shallow", "bx lr")
        + _function("deep", "sub sp, #100", "add sp, #100", "bx lr")
        + _function("deeper", "sub sp, #200", "add sp, #200", "bx lr")
        + ".section .rodata\n.type table, %object\ntable: .word shallow, deep\n.size table, 8\n"
        + ".type other, %object\nother: .word deeper\n.size other, 4\n"
    )
    assert call_bound(_assemble(tmp_path, source), "top").bytes == 108


@needs_gcc
@pytest.mark.parametrize(
    ("source", "says"),
    [
        (_function("top", "push {lr}", "bl below", "pop {pc}") + _function("below", "push {lr}", "bl top", "pop {pc}"),
         "recurses.*top -> below"),
        (_function("top", "sub sp, sp, r0", "bx lr"), "top sets the stack pointer to what only data decide"),
        (_function("top", "1: push {r0}", "b 1b"), "top lets the stack grow in a loop"),
    ],
    ids=["recursion", "variable frame", "endless"],
)  # fmt: skip
def test_code_without_a_bound_is_refused(tmp_path: Path, source: str, says: str) -> None:
    with pytest.raises(ToolError, match=says):
        call_bound(_assemble(tmp_path, source), "top")


@needs_gcc
def test_no_such_function(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="defines no function 'bottom'"):
        call_bound(_assemble(tmp_path, _function("top", "bx lr")), "bottom")
    (tmp_path / "text").write_text("no ELF")
    with pytest.raises(ToolError, match="is not an ELF file"):
        call_bound(tmp_path / "text", "top")


@pytest.mark.parametrize("toolchain", [GCC, "ziglang"])
def test_frames_are_those_that_the_compiler_states(
    tmp_path: Path, toolchain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """-fstack-usage, of kernels in C: where a function calls nothing, the bound of its stack is its frame."""
    if toolchain == GCC and shutil.which(GCC) is None:
        pytest.skip(f"{GCC} is not installed")
    monkeypatch.setenv("ZIG_LOCAL_CACHE_DIR", str(tmp_path))  # where zig leaves the file of figures
    compiler, core = find_toolchain(toolchain), CORES["cortex-m3"]
    kernels = resource_dir("codegen") / "kernels"
    equal = 0
    for name in ("tinyml_conv_s8", "tinyml_depthwise_s8", "tinyml_max_pool_s8", "tinyml_add_s8", "tinyml_softmax_s8"):
        source = kernels / "reference" / f"{name}.c"
        arguments = ["-fstack-usage", f"-I{kernels / 'include'}", "-c", str(source), "-o", "kernel.o"]
        subprocess.run(compiler.compile_command(core, arguments), check=True, cwd=tmp_path)
        linker = [sys.executable, "-m", "ziglang", "ld.lld", "-m", "armelf", "--unresolved-symbols=ignore-all"]
        subprocess.run([*linker, "-e", name, "-o", "kernel.elf", "kernel.o"], check=True, cwd=tmp_path)
        (figures,) = tmp_path.rglob("*.su")
        for line in figures.read_text().splitlines():
            where, size, kind = line.split("\t")
            found = call_bound(tmp_path / "kernel.elf", re.split(r"[:/]", where)[-1])
            assert kind == "static"
            assert found.bytes >= int(size), where
            if len(found.path) == 1:
                assert found.bytes == int(size), where
                equal += 1
        figures.unlink()
    assert equal >= 5


@pytest.mark.emulated
@pytest.mark.parametrize("toolchain", [GCC, "ziglang"])
@pytest.mark.parametrize("target", ["nucleo_h743zi", "qemu_mps2_an386", "cortex-m0", "cortex-m3", "cortex-m33"])
def test_no_firmware_goes_deeper(shared: Path, tmp_path: Path, target: str, toolchain: str) -> None:
    if toolchain == GCC and shutil.which(GCC) is None:
        pytest.skip(f"{GCC} is not installed")
    board = generic_target(target, 1 << 18, 1 << 20) if target.startswith("cortex") else load_board(target)
    for model in ("mlperf_tiny/kws_dscnn_int8", "tflite_micro/keyword_scrambled_8bit"):
        options = Options(shared / "models" / f"{model}.tflite", board, tmp_path, toolchain=toolchain)
        image = compile_model(options, stop_after="build").image
        assert image is not None
        bound, seen = stack_bound(image.elf, board), profile_emulated(image).stack_bytes
        # An interrupt is in the bound, and seldom comes at the deepest point; else it is tight.
        assert seen <= bound <= seen + (140 if board.timer == "systick" else 32), model
        assert call_bound(image.elf, f"{image.bundle.name}_run").bytes < seen
