"""`tinyml flash`: a build onto a board, and what the board then says that it is."""

import argparse
import sys
import threading
import time
from pathlib import Path

from tinyml.cli.common import Verbs, add_output_flags, console, print_json, progress
from tinyml.device.client import Client, DeviceModel
from tinyml.device.flash import TOOLS, Job, choose
from tinyml.device.link import Transport
from tinyml.device.places import check_identity
from tinyml.device.serial_port import list_ports, open_port
from tinyml.errors import ToolError, UsageError
from tinyml.report.built import Built, open_build
from tinyml.targets import Board

_REAPPEAR_SECONDS = 10.0  # a board on USB goes away as it resets
_GREETING_SECONDS = 2.0


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser("flash", help="put a build on a board", allow_abbrev=False)
    parser.add_argument("build", type=Path, help="folder that `tinyml build` wrote")
    group = parser.add_argument_group("flash")
    group.add_argument("--tool", choices=tuple(TOOLS), help="how (default: the first that is there and fits the board)")
    group.add_argument("--gdb", metavar="HOST:PORT", help="by way of the GDB server there")
    group.add_argument("--port", help="the board's serial port (default: found by its USB id)")
    group.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
    group.add_argument("--monitor", action="store_true", help="then show what the board says; lines typed go to it")
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit code 1 where the board says afterwards that it is not what was flashed."""
    if arguments.monitor and arguments.json:
        raise UsageError("--monitor goes without --json")
    if arguments.gdb is not None and arguments.tool not in (None, "gdb"):
        raise UsageError(f"--gdb goes without --tool {arguments.tool}")
    built = open_build(arguments.build)
    job = Job(built.board, built.folder.resolve(), arguments.port or _port_of(built.board), arguments.gdb)
    tool, action = choose(job, "gdb" if arguments.gdb else arguments.tool, dry_run=arguments.dry_run)
    document = {"tool": tool, "action": action.text, "board": built.board.id, "model": built.report.model.name}
    out = console(arguments)
    if arguments.dry_run:
        if arguments.json:
            print_json(document)
        out.print(action.text, markup=False, soft_wrap=True)
        return 0
    out.print(f"{tool}: {action.text}", markup=False, soft_wrap=True)
    with progress(arguments) as on_stage:
        on_stage(f"flash with {tool}")
        action.run()
        port = arguments.port or _appeared(built.board)
        on_stage("ask the board what it runs")
        found = None if port is None else identity(built, port)
    if arguments.json:
        print_json({**document, "port": port, "verified": found is not None})
    if found is None:
        out.print("written. Not asked what it runs: no serial port with the board's USB id; name it: --port PORT")
    else:
        out.print(f"the board at {port} runs {found.name} at {found.clock_hz / 1e6:g} MHz: this build", markup=False)
    if arguments.monitor:
        if port is None:
            raise ToolError("--monitor: the board's serial port is not known", "name it: --port PORT")
        _monitor(open_port(port, _baud(built.board)))
    return 0


def identity(built: Built, port: str) -> DeviceModel:
    """What the board at a port says that it runs.

    Raises:
        ToolError: it is not this build, or it says nothing.
    """
    line = open_port(port, _baud(built.board))
    try:
        client = Client(line)
        client.connect(greeting=_GREETING_SECONDS)
        found = client.model()
    finally:
        line.close()
    model = built.report.model
    check_identity(found, port, name=model.name, plan=model.plan_sha256, board=built.board.id)
    return found


def _baud(board: Board) -> int:
    if board.uart is None:
        raise UsageError(f"{board.id} has no serial port")
    return board.uart.baud


def _port_of(board: Board) -> str | None:
    """The only port that has one of the board's USB ids, if there is just one."""
    try:
        ports = [p for p in list_ports() if p.vid is not None and f"{p.vid:04x}:{p.pid:04x}" in board.flash_tools.usb]
    except ToolError:  # without pyserial, ports must be named
        return None
    return ports[0].path if len(ports) == 1 else None


def _appeared(board: Board) -> str | None:
    """`_port_of`, as soon as the board is back. Nothing is waited for that has no USB id."""
    deadline = time.monotonic() + (_REAPPEAR_SECONDS if board.flash_tools.usb else 0.0)
    while (port := _port_of(board)) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    return port


def _monitor(line: Transport) -> None:
    """Until Ctrl-C."""

    def forward() -> None:
        for text in sys.stdin:
            line.write(text.rstrip("\r\n").encode())

    threading.Thread(target=forward, daemon=True).start()
    print("Ctrl-C ends it; commands end with %, and help% lists them", file=sys.stderr)
    try:
        while True:
            sys.stdout.write(line.read(0.2).decode("ascii", "backslashreplace").replace("\r\n", "\n"))
            sys.stdout.flush()
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        line.close()
