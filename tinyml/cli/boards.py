"""`tinyml boards`: what a build can be made for."""

import argparse

from tinyml.cli.common import Verbs, add_output_flags, console, print_json
from tinyml.report.terminal import layer_table, size
from tinyml.targets import Board, list_boards, load_board
from tinyml.targets.stored import board_document


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser("boards", help="list the boards, or show one", allow_abbrev=False)
    parser.add_argument("name", nargs="?", help="id or alias of the board to show")
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.name is None:
        return _list(arguments)
    board = load_board(arguments.name)
    if arguments.json:
        print_json(board_document(board))
        return 0
    out = console(arguments)
    out.print(f"{board.title} ({board.id}{''.join(f', {a}' for a in board.aliases)})", style="bold", markup=False)
    out.print(f"{board.core.name}{_clock(board)}; {board.silicon}")
    rows = [
        {"name": r.name, "kind": r.kind, "address": f"0x{r.address:08X}", "size": size(r.bytes), "source": r.source}
        for r in board.regions
    ]
    out.print(layer_table(rows, [(k, k) for k in ("name", "kind", "address", "size", "source")], out.width))
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
            "clock": _clock(board).removeprefix(" at "),
            "ram": f"{board.sram_bytes // 1024:,}" if board.has_firmware else "",
            "flash": f"{board.flash_bytes // 1024:,}" if board.has_firmware else "",
        }
        for board in boards
    ]
    headings = (("id", "id"), ("aliases", "alias"), ("board", "board"), ("core", "core"), ("clock", "clock"))
    console(arguments).print(
        layer_table(rows, (*headings, ("ram", "RAM KiB"), ("flash", "flash KiB")), console(arguments).width)
    )
    return 0


def _clock(board: Board) -> str:
    return f" at {board.clock_hz / 1e6:g} MHz" if board.clock_hz else ""
