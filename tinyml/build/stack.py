"""How deep the stack of a linked firmware can get: frames read from its machine code, added up along the call graph.

The compiler's own figures (-fstack-usage) know neither functions in assembly nor its run-time library; the code knows
all. Every path through a function is walked with the depth of the stack at each instruction. Calls through pointers are
resolved by where the pointers stand: a function that calls through one can reach what the constants hold that it names
(a table of commands, the description of the model), and whatever function some code takes the address of.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import capstone
from capstone import arm_const as arm

from tinyml.build.disassembly import Code, Opaque, Routine, read_code
from tinyml.errors import ToolError
from tinyml.targets.board import Board

RESET = "reset_handler"
_INTERRUPT = "systick_handler"
_EXCEPTION_FRAME = 0x68 + 4  # with floating-point registers, and what aligns it (Armv7-M manual, B1.5.7)
_ENDLESS = 1 << 20
_SWITCH_HELPERS = ("__gnu_thumb1_case_", "__ARM_common_switch8")  # return behind a table that follows the call
_LOADS, _STORES = ("ldr", "ldrd"), ("str", "strd")


@dataclass(frozen=True, slots=True)
class StackBound:
    """Attributes:
    bytes: that a call of the function can put on the stack, at most.
    path: the calls that lead there, the function first.
    """

    bytes: int
    path: tuple[str, ...]


def stack_bound(elf: Path, board: Board) -> int:
    """Bytes of stack that the firmware can need from reset on, interrupts included.

    Raises:
        ToolError: as `call_bound`.
    """
    interrupt = _EXCEPTION_FRAME + call_bound(elf, _INTERRUPT).bytes if board.timer == "systick" else 0
    return call_bound(elf, RESET).bytes + interrupt


def call_bound(elf: Path, function: str) -> StackBound:
    """How deep the stack can get in a call of a function of a linked ELF.

    Raises:
        ToolError: no such function or ELF; the program recurses, or makes frames whose size depends on data.
    """
    return _graph(elf, elf.stat().st_mtime_ns).bound(function)


@lru_cache(maxsize=2)
def _graph(elf: Path, stamp: int) -> "_CallGraph":
    return _CallGraph(read_code(elf))


@dataclass(slots=True)
class _Frame:
    """What walking a function found. depth: the deepest, without calls."""

    depth: int = 0
    calls: list[tuple[int, int]] = field(default_factory=list)  # (depth, address of the callee)
    pointer_calls: int = -1  # the deepest call through a pointer, if any


class _CallGraph:
    def __init__(self, code: Code) -> None:
        self._code = code
        self._known: dict[int, StackBound] = {}
        self._open: list[int] = []

    def bound(self, function: str) -> StackBound:
        routine = next((r for r in self._code.routines if r.name == function), None)
        if routine is None:
            raise ToolError(f"{self._code.path} defines no function {function!r}")
        return self._bound(routine)

    def _bound(self, routine: Routine) -> StackBound:
        known = self._known.get(routine.address)
        if known is not None:
            return known
        if routine.address in self._open:
            names = [self._code.routine(a).name for a in self._open[self._open.index(routine.address) :]]
            raise ToolError(f"{self._code.path} recurses, so its stack has no bound: {' -> '.join(names)}")
        self._open.append(routine.address)
        frame = _walk(self._code, routine)
        deepest = StackBound(frame.depth, (routine.name,))
        for depth, target in self._targets(routine, frame):
            below = self._bound(self._code.routine(target))
            if depth + below.bytes > deepest.bytes:
                deepest = StackBound(depth + below.bytes, (routine.name, *below.path))
        self._open.pop()
        self._known[routine.address] = deepest
        return deepest

    def _targets(self, routine: Routine, frame: _Frame) -> Iterator[tuple[int, int]]:
        """(depth of the stack, address called)."""
        yield from frame.calls
        if frame.pointer_calls >= 0:
            for target in sorted(self._code.reachable_by_pointer(routine)):
                yield frame.pointer_calls, target


class _Walk:
    """Follows every path through a function. A state is the depth of the stack, and which registers hold the stack pointer
    of which depth (frame pointers) or a constant."""

    def __init__(self, code: Code, routine: Routine) -> None:
        self._code = code
        self._routine = routine
        self.frame = _Frame()
        self._seen: dict[int, int] = {}
        self._switches = -1  # the deepest jump by a table

    def run(self) -> None:
        self._follow(self._routine.address, 0)
        while self._switches >= 0:
            missed = next((a for a in self._routine.instructions if a not in self._seen), None)
            if missed is None:
                break
            self._follow(missed, self._switches)

    def _follow(self, start: int, depth: int) -> None:
        pending: list[tuple[int, int, Mapping[int, int]]] = [(start, depth, {})]
        while pending:
            address, depth, pointers = pending.pop()
            registers = _Registers(depth, dict(pointers))
            while (x := self._routine.instructions.get(address)) is not None:
                if self._seen.get(address, -1) >= registers.depth:
                    break
                self._seen[address] = registers.depth
                if registers.depth > _ENDLESS:
                    raise self._refusal(x, "lets the stack grow in a loop")
                ends, target = (False, None) if isinstance(x, Opaque) else self._step(x, registers)
                if target is not None:
                    pending.append((target, registers.depth, registers.pointers))
                if ends:
                    break
                address += x.size

    def _step(self, x: Any, registers: "_Registers") -> tuple[bool, int | None]:
        """Whether nothing behind the instruction follows, and a place in the function that may."""
        name, conditional = x.insn_name(), x.cc not in (arm.ARM_CC_AL, arm.ARM_CC_INVALID)
        if x.id in (arm.ARM_INS_BL, arm.ARM_INS_BLX):
            return self._call(x, registers), None
        if x.id in (arm.ARM_INS_B, arm.ARM_INS_CBZ, arm.ARM_INS_CBNZ):
            return self._branch(x, registers, conditional or x.id != arm.ARM_INS_B)
        if x.id in (arm.ARM_INS_TBB, arm.ARM_INS_TBH):
            self._switches = max(self._switches, registers.depth)
            return True, None
        if x.id == arm.ARM_INS_BX:
            if x.operands[0].reg != arm.ARM_REG_LR:
                self._leap(registers.depth)
            return not conditional, None
        before = registers.depth
        if not registers.apply(x, name):
            raise self._refusal(x, "sets the stack pointer to what only data decide")
        self.frame.depth = max(self.frame.depth, registers.depth)
        if _writes_pc(x):
            if name in ("mov", "add") or (name == "ldr" and not _is_return(x)):
                self._jump(x, name, before)
            registers.depth = before  # where the condition does not hold
            return not conditional, None
        if conditional and registers.depth < before:
            registers.depth = before
        return False, None

    def _call(self, x: Any, registers: "_Registers") -> bool:
        """Whether the call ends the path here."""
        operand = x.operands[0]
        if operand.type != arm.ARM_OP_IMM:
            self.frame.pointer_calls = max(self.frame.pointer_calls, registers.depth)
            return False
        target = operand.imm & ~1
        if target in self._routine.instructions and target != self._routine.address:
            return False  # `bl .+4` and such: reached as the rest is
        if self._code.routine(target).name.startswith(_SWITCH_HELPERS):
            self._switches = max(self._switches, registers.depth)
            return True
        self.frame.calls.append((registers.depth, target))
        return False

    def _branch(self, x: Any, registers: "_Registers", conditional: bool) -> tuple[bool, int | None]:
        target = x.operands[-1].imm & ~1
        if target in self._routine.instructions:
            return not conditional, target
        self.frame.calls.append((registers.depth, target))  # the caller's frame is gone, or what is left of it is not
        return not conditional, None

    def _jump(self, x: Any, name: str, depth: int) -> None:
        """A new pc that is no return: a veneer's literal, a table, or a pointer."""
        literal = self._code.literal(x)
        if name == "mov" and x.operands[1].type == arm.ARM_OP_REG and x.operands[1].reg == arm.ARM_REG_LR:
            return
        if literal is not None and self._code.is_entry(literal & ~1):
            self.frame.calls.append((depth, literal & ~1))
            return
        self._leap(depth)

    def _leap(self, depth: int) -> None:
        """To an address in a register. Another function would return to our caller, so by then our frame must be gone."""
        self._switches = max(self._switches, depth)
        if depth == 0:
            self.frame.pointer_calls = max(self.frame.pointer_calls, depth)

    def _refusal(self, x: Any, what: str) -> ToolError:
        return ToolError(f"{self._code.path}: {self._routine.name} {what} ({x.mnemonic} {x.op_str} at {x.address:#x})")


def _walk(code: Code, routine: Routine) -> _Frame:
    walk = _Walk(code, routine)
    walk.run()
    return walk.frame


@dataclass(slots=True)
class _Registers:
    """depth: bytes of stack. pointers: register -> the depth that it points to."""

    depth: int
    pointers: dict[int, int]

    def apply(self, x: Any, name: str) -> bool:
        """The effect of an instruction that is no branch. False: the stack pointer is not known any more."""
        operands = x.operands
        if name in ("push", "vpush"):
            self.depth += sum(_register_bytes(o.reg) for o in operands)
            return True
        if name in ("pop", "vpop"):
            self.depth -= sum(_register_bytes(o.reg) for o in operands)
            self._forget(x)
            return True
        moved = _moved_by(x, name)
        if moved is not None:
            self.depth += moved
            self._forget(x)
            return True
        if operands and operands[0].type == arm.ARM_OP_REG and name in ("mov", "add", "addw", "sub", "subw", "bic"):
            destination = operands[0].reg
            depth = self._computed(operands, name.rstrip("sw") if name != "bic" else name)
            if destination == arm.ARM_REG_SP:
                if depth is None:
                    return False
                self.depth = depth
                return True
            self._forget(x)
            if depth is not None:
                self.pointers[destination] = depth
            return True
        self._forget(x)
        return arm.ARM_REG_SP not in x.regs_access()[1]

    def _computed(self, operands: Any, name: str) -> int | None:
        """The depth that a sum of a stack pointer and a constant points to."""
        values = operands[1:] if len(operands) > 1 else operands
        if name != "mov" and len(operands) == 2:
            values = operands
        base = self._depth_of(values[0])
        if name == "mov" or base is None:
            return base
        if values[-1].type != arm.ARM_OP_IMM:
            return None
        amount = int(values[-1].imm)
        return base - amount if name == "add" else base + amount  # clearing low bits goes down by no more than they are

    def _depth_of(self, operand: Any) -> int | None:
        if operand.type != arm.ARM_OP_REG:
            return None
        return self.depth if operand.reg == arm.ARM_REG_SP else self.pointers.get(operand.reg)

    def _forget(self, x: Any) -> None:
        for register in x.regs_access()[1]:
            self.pointers.pop(register, None)


def _moved_by(x: Any, name: str) -> int | None:
    """By how many bytes a load or store with write-back of the stack pointer moves it down; None where it does not."""
    operands = x.operands
    if name in ("stmdb", "stm", "ldm", "vstmdb", "vldmia") and operands[0].reg == arm.ARM_REG_SP and x.writeback:
        bytes_ = sum(_register_bytes(o.reg) for o in operands[1:])
        return bytes_ if "st" in name else -bytes_
    if name not in _LOADS + _STORES or not x.writeback:
        return None
    memory = next((o for o in operands if o.type == arm.ARM_OP_MEM), None)
    if memory is None or memory.mem.base != arm.ARM_REG_SP:
        return None
    behind = next((o.imm for o in operands if o.type == arm.ARM_OP_IMM), None)
    return -int(memory.mem.disp if behind is None else behind)


def _register_bytes(register: int) -> int:
    return 8 if arm.ARM_REG_D0 <= register <= arm.ARM_REG_D31 else 4


def _writes_pc(x: Any) -> bool:
    return arm.ARM_REG_PC in x.regs_access()[1] or any(
        o.type == arm.ARM_OP_REG and o.reg == arm.ARM_REG_PC and o.access & capstone.CS_AC_WRITE for o in x.operands
    )


def _is_return(x: Any) -> bool:
    """`ldr pc, [sp], #4`."""
    return any(o.type == arm.ARM_OP_MEM and o.mem.base == arm.ARM_REG_SP for o in x.operands)
