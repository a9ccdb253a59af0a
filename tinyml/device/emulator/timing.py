"""What a basic block costs: instructions exactly, cycles by a model of the core's pipeline.

Cortex-M0, M0+, M3, M4: the tables of instruction timings in Arm's Technical Reference Manuals (DDI 0432, table 3-1; DDI
0484, table 3-1; DDI 0337, table 18-1; DDI 0439, section 3.3 and table 7-1 for the FPU), with memory that never waits. Where
a table gives a range, `_Table` says what is taken and why.

Cortex-M33: Arm publishes no table. Its pipeline has three stages as the M4's, whose table is taken.

Cortex-M7: Arm publishes no table. The model is the in-order, dual-issue pipeline that the Cortex-M7 Technical Reference
Manual (Arm DDI 0489) describes: two issue slots a cycle, one multiplier, one FPU, one branch and one store a cycle,
results forwarded after a latency per class; every cache access hits and every branch is predicted.

None of them knows bus contention or the state that one block leaves the pipeline in for the next; memory that makes the
core wait is priced apart (memory.py). docs/emulator.md states what is known of their errors.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import capstone
from capstone.arm import ARM_OP_REG

from tinyml.targets.core import Core


@dataclass(frozen=True, slots=True)
class Cost:
    """Instructions and cycles of code that ran. Instructions that an IT block skipped count: they take their cycle.

    Attributes:
        waits: of the cycles, those in which the core waited for lines of slow memory.
    """

    instructions: int = 0
    cycles: int = 0
    waits: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.instructions + other.instructions, self.cycles + other.cycles, self.waits + other.waits)

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.instructions - other.instructions, self.cycles - other.cycles, self.waits - other.waits)


_BRANCH = re.compile(r"(b|bl|bx|blx|cbz|cbnz|tbb|tbh|b(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le))")
_LOAD = ("ldr", "ldm", "pop", "vldr", "vldm", "vpop")
_STORE = ("str", "stm", "push", "vstr", "vstm", "vpush")
_SEVERAL = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")
_DOUBLE = ("ldrd", "strd")
_DIVIDE = ("sdiv", "udiv")
_FP_DIVIDE = ("vdiv", "vsqrt")
_FP_MULTIPLY_ADD = ("vmla", "vmls", "vfma", "vfms", "vnmla", "vnmls", "vfnma", "vfnms")
_MULTIPLY = (
    "mul", "mla", "mls", "smul", "smla", "smlal", "umull", "umlal", "umaal", "smull", "smmul", "smmla", "smmls",
    "smuad", "smusd", "smlsd",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Instruction:
    """The properties of an instruction that either model asks for.

    Attributes:
        operation: mnemonic without its width and type suffix (`vmla` of `vmla.f32`).
        registers: number of register operands written in the instruction.
        accumulates: the first operand is also an addend of a multiplication.
    """

    operation: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    registers: int
    first_register: int
    is_branch: bool
    is_load: bool
    is_store: bool
    is_multiply: bool
    accumulates: bool
    loads_pc: bool

    def starts(self, prefixes: tuple[str, ...]) -> bool:
        return self.operation.startswith(prefixes)

    @property
    def is_float(self) -> bool:
        return self.operation.startswith("v") and not (self.is_load or self.is_store)


def _decode(instruction: Any) -> _Instruction:
    operation = instruction.mnemonic.split(".")[0]
    operands = [o for o in instruction.operands if o.type == ARM_OP_REG]
    reads, writes = instruction.regs_access()
    is_multiply = operation.startswith(_MULTIPLY)
    destination = instruction.op_str if operation == "pop" else instruction.op_str.split(",")[0]
    return _Instruction(
        operation=operation,
        reads=tuple(reads),
        writes=tuple(writes),
        registers=len(operands),
        first_register=operands[0].reg if operands else 0,
        is_branch=_BRANCH.fullmatch(operation) is not None,
        is_load=operation.startswith(_LOAD),
        is_store=operation.startswith(_STORE),
        is_multiply=is_multiply,
        accumulates=is_multiply and len(instruction.operands) == 4,
        loads_pc=operation.startswith(_LOAD) and re.search(r"\bpc\b", destination) is not None,
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """Cycles by a manual's table. What is not here takes one cycle.

    The manuals write 1 + P for branches of M3 and M4, with P from 1 to 3 (alignment and width of the target, early
    speculation); 2 is the middle. A conditional branch ends most blocks that run often, and there it is a loop's, taken
    nearly always: all are priced as taken.

    Attributes:
        branch, call: taken; `call` is BL.
        refill: what a load of the program counter adds.
        store: a store that follows no other access.
        pipelined: a single load or store behind another takes one cycle, since their phases overlap.
        multiply_add: MLA, MLS.
        multiply_long: UMULL, SMULL; `multiply_add_long`: UMLAL, SMLAL. "3 to 5" and "4 to 7" on the M3, by the values.
        divide: SDIV, UDIV. "2 to 12, depending on the number of leading ones and zeroes in the input operands".
    """

    branch: int
    call: int
    refill: int
    store: int = 1
    pipelined: bool = True
    multiply_add: int = 1
    multiply_long: int = 1
    multiply_add_long: int = 1
    divide: int = 7
    fp_divide: int = 14
    fp_multiply_add: int = 3


# The multiplier of M0 and M0+ takes 1 or 32 cycles, as the maker of the chip chose: makers chose 1.
_M0 = _Table(branch=3, call=4, refill=3, store=2, pipelined=False)
_M0_PLUS = _Table(branch=2, call=3, refill=2, store=2, pipelined=False)
_M3 = _Table(branch=3, call=3, refill=2, multiply_add=2, multiply_long=4, multiply_add_long=5)
_M4 = _Table(branch=3, call=3, refill=2)


def _table_cycles(block: Sequence[_Instruction], table: _Table) -> int:
    total = 0
    overlaps = False  # the instruction before was a single load or store, whose address phase this one can overlap
    for x in block:
        single = (x.is_load or x.is_store) and not x.starts(_SEVERAL + _DOUBLE)
        if x.is_branch:
            total += table.call if x.operation == "bl" else table.branch + (1 if x.starts(("tbb", "tbh")) else 0)
        elif x.starts(_DOUBLE):
            total += 3
        elif x.starts(("push", "pop")):
            total += 1 + x.registers + (table.refill if x.loads_pc else 0)
        elif x.starts(_SEVERAL):
            total += 1 + max(1, x.registers - 1)  # the base register is an operand, too
        elif single:
            alone = 2 if x.is_load else table.store
            total += (1 if overlaps else alone) + (1 + table.refill if x.loads_pc else 0)
        elif x.starts(_DIVIDE):
            total += table.divide
        elif x.starts(_FP_DIVIDE):
            total += table.fp_divide
        elif x.starts(_FP_MULTIPLY_ADD):
            total += table.fp_multiply_add
        else:
            total += _multiply_cycles(x, table) if x.is_multiply else 1
        overlaps = single and table.pipelined
    return total


def _multiply_cycles(x: _Instruction, table: _Table) -> int:
    if x.operation in ("mla", "mls"):
        return table.multiply_add
    if x.operation in ("umull", "smull"):
        return table.multiply_long
    return table.multiply_add_long if x.operation in ("umlal", "smlal") else 1


_M7_LATENCY = {"load": 2, "multiply": 2, "float": 3}
_M7_DIVIDE = 8
_M7_FP_DIVIDE = 14
_M7_ONCE_A_CYCLE = ("multiply", "branch", "float", "store")


def _m7_unit(x: _Instruction) -> str:
    if x.is_store:
        return "store"
    if x.is_load:
        return "load"
    if x.is_multiply:
        return "multiply"
    if x.is_branch:
        return "branch"
    return "float" if x.is_float else "alu"


def _m7_busy(x: _Instruction) -> int:
    """Cycles in which nothing else issues; 1: it shares its cycle."""
    if x.starts(_SEVERAL):
        return max(1, (x.registers + 1) // 2)  # 64 bits a cycle
    if x.starts(_DIVIDE):
        return _M7_DIVIDE
    return _M7_FP_DIVIDE if x.starts(_FP_DIVIDE) else 1


def _m7_pairs(unit: str, issued: Sequence[str]) -> bool:
    """Whether an instruction for `unit` can issue in a cycle in which `issued` already do."""
    if not issued:
        return True
    if len(issued) == 2:
        return False
    first = issued[0]
    if {unit, first} <= {"load", "store"} and "store" in (unit, first):
        return False
    return not (unit == first and unit in _M7_ONCE_A_CYCLE)


def _m7_cycles(block: Sequence[_Instruction]) -> int:
    ready: dict[int, int] = {}  # register -> the first cycle in which its value can be read
    cycle = 0
    issued: list[str] = []
    for x in block:
        unit, busy = _m7_unit(x), _m7_busy(x)
        operands = max((ready.get(r, 0) for r in x.reads), default=0)
        if operands > cycle:
            cycle, issued = operands, []
        if issued and (busy > 1 or not _m7_pairs(unit, issued)):
            cycle, issued = cycle + 1, []
        issued.append(unit)
        for register in x.writes:
            ready[register] = cycle + _M7_LATENCY.get(unit, 1)
        if x.accumulates:  # the sum is forwarded to the next multiply-accumulate a cycle early
            ready[x.first_register] = cycle + 1
        if busy > 1:
            cycle, issued = cycle + busy, []
    return cycle + 1 if block else 0


_MODELS: Mapping[str, Callable[[Sequence[_Instruction]], int]] = {
    "cortex-m0": partial(_table_cycles, table=_M0),
    "cortex-m0+": partial(_table_cycles, table=_M0_PLUS),
    "cortex-m3": partial(_table_cycles, table=_M3),
    "cortex-m4": partial(_table_cycles, table=_M4),
    "cortex-m7": _m7_cycles,
    "cortex-m33": partial(_table_cycles, table=_M4),
}


def has_cycle_model(core: Core) -> bool:
    """Whether cycles of this core can be modelled; otherwise a block costs as many cycles as it has instructions."""
    return core.name in _MODELS


@cache
def timing_digest() -> str:
    """Hash of the models: what was modelled by others is out of date."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


@cache
def _disassembler() -> capstone.Cs:
    disassembler = capstone.Cs(
        capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
    )
    disassembler.detail = True
    return disassembler


@lru_cache(maxsize=1 << 16)
def block_cost(core: str, code: bytes) -> Cost:
    """Of one execution of a basic block.

    Args:
        core: name of the core.
        code: all of the block, as it lies in memory.
    """
    instructions = list(_disassembler().disasm(code, 0))
    # What Capstone cannot decode are 32-bit encodings that are newer than it.
    unknown = (len(code) - sum(i.size for i in instructions)) // 4
    model = _MODELS.get(core)
    cycles = len(instructions) if model is None else model([_decode(i) for i in instructions])
    return Cost(len(instructions) + unknown, cycles + unknown)
