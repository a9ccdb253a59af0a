"""Code that reckons addresses from the program counter begins at a word, whatever a compiler's options do to functions."""

import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tinyml.build.toolchain import run_tool
from tinyml.resources import resource_dir
from tinyml.targets import CORES

KERNELS = resource_dir("codegen") / "kernels"


def _reckons(source: Path) -> bool:
    """Whether it, or a frame that it includes, has an adr."""
    text = source.read_text()
    headers = [KERNELS / "include" / name for name in re.findall(r'#include "(\w+\.h)"', text)]
    return any(re.search(r'"(\w+: )?adr\b', part) for part in (text, *(header.read_text() for header in headers)))


RECKONING = [path for path in sorted(KERNELS.rglob("*.[ch]")) if re.search(r'"adr\b', path.read_text())]
SOURCES = [
    source
    for source in sorted((KERNELS / "armv7em").glob("*.c"))
    if source in RECKONING or any(f'#include "{header.name}"' in source.read_text() for header in RECKONING)
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_functions_with_adr_are_aligned(source: Path, tmp_path: Path) -> None:
    """`adr` adds to the program counter less its two lowest bits, and the assembler takes a section's start for a word.
    GCC's -Os and -O0 ask for two bytes only, and with a section for each function the linker then takes it at that."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not on the PATH")
    flags = ["-mthumb", *CORES["cortex-m4"].gcc_flags, "-std=c99", "-Os", "-ffunction-sections"]
    run_tool(["arm-none-eabi-gcc", *flags, "-I", str(KERNELS / "include"), "-c", str(source), "-o", "k.o"], tmp_path)
    text = subprocess.check_output(["arm-none-eabi-objdump", "-d", "k.o"], cwd=tmp_path, text=True)
    elf = ELFFile(io.BytesIO((tmp_path / "k.o").read_bytes()))
    alignment = {section.name: section["sh_addralign"] for section in elf.iter_sections()}
    disassembled = re.split(r"Disassembly of section (\S+):", text)[1:]
    reckoning = [
        name
        for name, code in zip(disassembled[::2], disassembled[1::2], strict=True)
        if re.search(r"\baddw?\s+\w+, pc", code)
    ]
    assert reckoning
    assert [name for name in reckoning if alignment[name] < 4] == []
