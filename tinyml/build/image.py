"""The linked firmware."""

from dataclasses import dataclass
from pathlib import Path

from tinyml.emit.bundle import SourceBundle
from tinyml.targets.board import Board


@dataclass(frozen=True, slots=True)
class ToolchainInfo:
    name: str  # "arm-none-eabi-gcc" or "ziglang"
    version: str
    cflags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes, read from the linked ELF. static: .data + .bss outside the arenas and the stack, and a benchmark's copy of the
    input; the picture that stands for a camera does not count.

    What the compiler brings (libgcc) counts as the firmware's.

    Attributes:
        static_blocks: (address, bytes) of what is static.
    """

    model_code_bytes: int
    firmware_code_bytes: int
    weights_bytes: int
    model_static_bytes: int
    firmware_static_bytes: int
    static_blocks: tuple[tuple[int, int], ...] = ()

    @property
    def code_bytes(self) -> int:
        return self.model_code_bytes + self.firmware_code_bytes

    @property
    def flash_bytes(self) -> int:
        return self.code_bytes + self.weights_bytes


@dataclass(frozen=True, slots=True, eq=False)
class FirmwareImage:
    """An ELF with what it was made from."""

    elf: Path
    bin: Path
    hex: Path
    sizes: Sizes
    toolchain: ToolchainInfo
    board: Board
    bundle: SourceBundle
