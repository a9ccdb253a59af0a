"""`tinyml boards`: what a build can be made for."""

import argparse
import re
from pathlib import Path

from tinyml.cli.common import Verbs, add_output_flags, console, print_json
from tinyml.errors import UsageError
from tinyml.report.terminal import layer_table, size
from tinyml.targets import Board, board_template, list_boards, load_board
from tinyml.targets.stored import board_document


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser("boards", help="list the boards, show one, start one of your own", allow_abbrev=False)
    add_output_flags(parser)
    parser.set_defaults(handler=_list)
    actions = parser.add_subparsers(metavar="ACTION")
    listing = actions.add_parser("list", help="all boards (what is done without an ACTION, too)", allow_abbrev=False)
    add_output_flags(listing)
    listing.set_defaults(handler=_list)
    show = actions.add_parser("show", help="one board: memories, clock, serial port, sources", allow_abbrev=False)
    show.add_argument("name", help="id or alias of the board, or a board file")
    add_output_flags(show)
    show.set_defaults(handler=_show)
    init = actions.add_parser("init", help="write a board file to fill in", allow_abbrev=False)
    init.add_argument("name", help="id of the new board: lower-case letters, digits and underscores")
    init.add_argument("-o", "--out", type=Path, metavar="FILE", help="default: <name>.toml")
    add_output_flags(init)
    init.set_defaults(handler=_init)


def _init(arguments: argparse.Namespace) -> int:
    if re.fullmatch(r"[a-z][a-z0-9_]*", arguments.name) is None:
        raise UsageError(
            f"{arguments.name!r} is no id of a board", "lower-case letters, digits and underscores, a letter first"
        )
    path: Path = arguments.out or Path(f"{arguments.name}.toml")
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(board_template(arguments.name))
    except FileExistsError:
        raise UsageError(f"{path} exists already", "name another file with -o") from None
    except OSError as e:
        raise UsageError(f"{path} cannot be written: {e}") from e
    if arguments.json:
        print_json({"file": str(path)})
    console(arguments).print(f"wrote {path}: fill it in, then build with --board {path}", markup=False)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    board = load_board(arguments.name)
    if arguments.json:
        print_json(board_document(board))
        return 0
    out = console(arguments)
    out.print(f"{board.title} ({board.id}{''.join(f', {a}' for a in board.aliases)})", style="bold", markup=False)
    out.print(f"{board.core.name}{_clock(board)}; {board.silicon}")
    rows = [
        {
            "name": r.name,
            "kind": r.kind,
            "address": f"0x{r.address:08X}",
            "size": size(r.bytes),
            "holds": ", ".join(key for key in ("code", "arena", "stack", "data") if getattr(board.link, key) == r.name),
            "source": r.source,
        }
        for r in board.regions
    ]
    columns = ("name", "kind", "address", "size", "holds", "source")
    out.print(layer_table(rows, [(k, k) for k in columns], out.width))
    if board.uart is not None:
        out.print(f"serial port: {board.uart.driver}, {board.uart.baud} baud; {board.uart.source}", markup=False)
    for note in board.notes:
        out.print(f"note: {note}", markup=False)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    boards = list_boards()
    if arguments.json:
        print_json([board_document(board) for board in boards])
        return 0
    rows = [
        {
            "id": board.id,
            "aliases": ", ".join(board.aliases),
            "board": board.title,
            "core": board.core.name,
            "clock": f"{board.clock_hz / 1e6:g} MHz" if board.clock_hz else "",
            "ram": f"{board.sram_bytes // 1024:,}" if board.clock_hz else "",
            "flash": f"{board.flash_bytes // 1024:,}" if board.clock_hz else "",
        }
        for board in boards
    ]
    headings = (("id", "id"), ("aliases", "alias"), ("board", "board"), ("core", "core"), ("clock", "clock"))
    console(arguments).print(
        layer_table(rows, (*headings, ("ram", "RAM KiB"), ("flash", "flash KiB")), console(arguments).width)
    )
    return 0


def _clock(board: Board) -> str:
    safe = f" ({board.safe_clock_hz / 1e6:g} with --clock safe)" if board.safe_clock_hz else ""
    return f" at {board.clock_hz / 1e6:g} MHz{safe}" if board.clock_hz else ""
