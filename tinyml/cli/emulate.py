"""`tinyml emulate`: the emulated board for any program that opens a serial port."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from tinyml.cli.common import Verbs, add_output_flags, console, print_json
from tinyml.device.emulator import EmulatedBoard
from tinyml.device.qemu import qemu_board
from tinyml.device.serve import EmulatedMachine, Line, Machine, RemoteMachine, pty_line, serve, tcp_line
from tinyml.errors import UsageError
from tinyml.report.built import Built, open_build


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser("emulate", help="serve an emulated board on a pty or a TCP port", allow_abbrev=False)
    parser.add_argument("build", type=Path, help="folder that `tinyml build` wrote")
    group = parser.add_argument_group("emulate")
    where = group.add_mutually_exclusive_group()
    where.add_argument("--pty", action="store_true", help="a pseudo-terminal (default where the system has them)")
    where.add_argument("--tcp", type=int, metavar="PORT", help="a TCP port of this machine; 0: a free one")
    group.add_argument(
        "--on", choices=("emulator", "qemu"), default="emulator", help="what runs the firmware (default: emulator)"
    )
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Serves until Ctrl-C or SIGTERM, which is no failure."""
    if arguments.tcp is not None and not 0 <= arguments.tcp < 1 << 16:
        raise UsageError(f"--tcp {arguments.tcp}: expected a port from 0 to 65535")
    built = open_build(arguments.build)
    over_tcp = arguments.tcp is not None or (sys.platform == "win32" and not arguments.pty)
    line = tcp_line(arguments.tcp or 0) if over_tcp else pty_line()
    with _until_interrupted() as stopped, _machine(built, arguments.on) as machine, line as opened:
        _announce(arguments, built, opened)
        serve(machine, opened, stopped)
    console(arguments).print("\nstopped")
    return 0


@contextlib.contextmanager
def _machine(built: Built, place: str) -> Iterator[Machine]:
    if place == "qemu":
        with qemu_board(built.elf, built.board) as transport:
            yield RemoteMachine(transport)
    else:
        yield EmulatedMachine(EmulatedBoard(built.elf, built.board))


def _announce(arguments: argparse.Namespace, built: Built, line: Line) -> None:
    if arguments.json:
        print_json({"port": line.address, "model": built.report.model.name, "board": built.board.id})
    out = console(arguments)
    out.print(f"{built.report.model.file} on {built.board.title}, emulated", markup=False)
    out.print(f"  port {line.address}", markup=False)
    out.print(f"  try  tinyml run {arguments.build} --on {line.address}", markup=False)
    out.print("Ctrl-C ends it")
    sys.stdout.flush()


@contextlib.contextmanager
def _until_interrupted() -> Iterator[Callable[[], bool]]:
    """Gives what says whether the user has asked to stop. An exception in the middle of emulated code would be lost there."""
    asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
