"""Processor cores: what the compiler is told, and what the kernels may use."""

import enum
from dataclasses import dataclass


class Isa(enum.Enum):
    """Features of cores that kernels come in versions for."""

    PORTABLE = "portable"
    DSP = "dsp"  # SMLAD and friends: Cortex-M4, M7, M33
    DUAL_ISSUE = "dual issue"  # a load beside each multiplication: Cortex-M7
    MVE = "mve"  # Helium: Cortex-M55, M85
    HOST = "host"  # vectors of eight channels: AVX2 where the machine that tinyml runs on has it, Neon on 64-bit Arm


@dataclass(frozen=True, slots=True)
class Core:
    """A processor core.

    Attributes:
        name: as users write it (`cortex-m7`); "host" is the machine that tinyml runs on.
        gcc_flags: for arm-none-eabi-gcc; none where it is no core of that compiler.
        zig_target, zig_cpu: -target and -mcpu of `zig cc`.
        isa: features, PORTABLE always among them.
        has_fpu: single precision at least.
        has_caches: instruction and data caches, which the firmware turns on.
        unicorn_model: constant of unicorn.arm_const, or None where Unicorn cannot run it (Helium).
        hosted: an operating system runs on it, which takes libraries and programs instead of firmware.
        qemu_user: QEMU's program that runs programs for it, of hosted cores other than this machine.
    """

    name: str
    gcc_flags: tuple[str, ...]
    zig_target: str
    zig_cpu: str
    isa: frozenset[Isa]
    has_fpu: bool
    unicorn_model: str | None
    has_caches: bool = False
    hosted: bool = False
    qemu_user: str | None = None

    @property
    def takes_firmware(self) -> bool:
        """There is firmware for it: start-up code, drivers, a link script. Others take C only."""
        return self.name.startswith("cortex-m")


_P, _D, _M = Isa.PORTABLE, Isa.DSP, Isa.MVE

CORES = {
    core.name: core
    for core in (
        Core("cortex-m0", ("-mcpu=cortex-m0",), "thumb-freestanding-eabi", "cortex_m0", frozenset({_P}), False,
             "UC_CPU_ARM_CORTEX_M0"),
        Core("cortex-m0+", ("-mcpu=cortex-m0plus",), "thumb-freestanding-eabi", "cortex_m0plus", frozenset({_P}), False,
             "UC_CPU_ARM_CORTEX_M0"),
        Core("cortex-m3", ("-mcpu=cortex-m3",), "thumb-freestanding-eabi", "cortex_m3", frozenset({_P}), False,
             "UC_CPU_ARM_CORTEX_M3"),
        Core("cortex-m4", ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"), "thumb-freestanding-eabihf",
             "cortex_m4+vfp4d16sp", frozenset({_P, _D}), True, "UC_CPU_ARM_CORTEX_M4"),
        Core("cortex-m7", ("-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"), "thumb-freestanding-eabihf",
             "cortex_m7+fp_armv8d16", frozenset({_P, _D, Isa.DUAL_ISSUE}), True, "UC_CPU_ARM_CORTEX_M7", has_caches=True),
        Core("cortex-m33", ("-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"), "thumb-freestanding-eabihf",
             "cortex_m33", frozenset({_P, _D}), True, "UC_CPU_ARM_CORTEX_M33"),
        Core("cortex-m55", ("-mcpu=cortex-m55", "-mfloat-abi=hard"), "thumb-freestanding-eabihf",
             "cortex_m55+mve", frozenset({_P, _D, _M}), True, None, has_caches=True),
        Core("rv32imc", (), "riscv32-freestanding", "generic_rv32+m+c", frozenset({_P}), False, None),
        Core("xtensa-lx6", (), "xtensa-freestanding", "generic", frozenset({_P}), True, None),
        Core("xtensa-lx7", (), "xtensa-freestanding", "generic", frozenset({_P}), True, None),
        Core("host", (), "native", "native", frozenset({_P, Isa.HOST}), True, None, hosted=True),
        Core("aarch64-linux", (), "aarch64-linux-musl", "baseline", frozenset({_P, Isa.HOST}), True, None, hosted=True,
             qemu_user="qemu-aarch64"),
        Core("aarch64-android", (), "aarch64-linux-android", "baseline", frozenset({_P, Isa.HOST}), True, None,
             hosted=True, qemu_user="qemu-aarch64"),
    )
}  # fmt: skip
