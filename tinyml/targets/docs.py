"""The page docs/boards.md, from the board files."""

from collections.abc import Sequence

from tinyml.targets.board import UNTESTED, Board, Cache


def boards_page(boards: Sequence[Board]) -> str:
    """Markdown: a table of all boards, then each board's memory map with the source of every address."""
    parts = [
        "# Boards",
        "",
        "Made from the files in boards/ by `python -m tinyml.targets.docs`; a test keeps it current. How to add a board, or",
        "build for one of your own, stands in firmware.md. *Not confirmed* marks what was not read in a source that can be",
        "named, or what nothing that others wrote has run.",
        "",
        "| board | alias | core | MHz, full / safe | arena, at most | flash | serial port | QEMU | silicon |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(board) for board in boards),
    ]
    for board in boards:
        parts += ["", *_section(board)]
    return "\n".join(parts) + "\n"


def _row(board: Board) -> str:
    cells = (
        f"`{board.id}`",
        ", ".join(f"`{alias}`" for alias in board.aliases),
        board.core.name,
        " / ".join(f"{hz / 1e6:g}" for hz in (board.clock_hz, board.safe_clock_hz) if hz is not None),
        _kib(board.arena_bytes),
        _kib(board.flash_bytes),
        "" if board.uart is None else f"{board.uart.driver}, {board.uart.baud}",
        board.qemu_machine or "",
        board.silicon.removeprefix("boots on silicon: "),
    )
    return f"| {' | '.join(cells)} |"


def _section(board: Board) -> list[str]:
    roles = {
        region.name: [key for key in ("code", "arena", "stack", "data") if getattr(board.link, key) == region.name]
        for region in board.regions
    }
    lines = [
        f"## {board.title}",
        "",
        "| region | address | size | holds | DMA | code runs | wait | source |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {r.name} | {r.address:#010x} | {_kib(r.bytes)} | {', '.join(roles[r.name])} | {'yes' if r.dma else 'no'} "
            f"| {'yes' if r.execute else 'no'} | {r.wait_cycles or ''} | {r.source} |"
            for r in board.regions
        ),
        "",
    ]
    if board.cache is not None:
        lines += [_flash_price(board.cache), ""]
    if board.uart is not None:
        lines += [f"Serial port: `{board.uart.driver}` at {board.uart.base:#010x}. {board.uart.source}.", ""]
    if board.emulators:
        names = {
            "qemu": f"QEMU (`-M {board.qemu_machine}`)",
            "unicorn": "tinyml's emulator (Unicorn, with peripherals of our own)",
            "rp2040js": "rp2040js",
        }
        lines += [f"Boots and answers in {' and '.join(names[name] for name in board.emulators)}.", ""]
    if board.has_firmware and not {"qemu", "rp2040js"} & set(board.emulators):
        lines += [
            "No emulator that others wrote has this board: its clock, pins and serial port are as the sources say, and",
            "**not confirmed** by anything that ran.",
            "",
        ]
    if board.silicon == UNTESTED:
        lines += [*_how_to_test(board), ""]
    lines += [f"- {note}" for note in board.notes]
    return lines[:-1] if lines[-1] == "" else lines


def _how_to_test(board: Board) -> list[str]:
    name = board.short_name
    return [
        f"{UNTESTED[0].upper()}{UNTESTED[1:]}. To change that, open an issue with what the last of these prints:",
        "",
        "```",
        "tinyml zoo ds_cnn",
        f"tinyml build --board {name} ds_cnn.onnx",
        f"tinyml flash build/ds_cnn-{name}",
        f"tinyml verify --board {name} --on PORT --allow-uncalibrated --json ds_cnn.onnx",
        "```",
    ]


def _kib(size: int) -> str:
    return f"{size // 1024:,} KiB"


def _flash_price(cache: Cache) -> str:
    ahead = ", code in advance" if cache.prefetch else ""
    unstated = " Milliseconds are not stated: the price depends on the flash chip." if cache.external else ""
    return (
        f"Flash: lines of {cache.line_bytes} bytes, {cache.line_cycles} cycles each{ahead}; {cache.code_bytes:,} bytes of code "
        f"and {cache.data_bytes:,} of data at hand. {cache.source}.{unstated}"
    )


if __name__ == "__main__":
    from tinyml.targets.load import list_boards

    print(boards_page(list_boards()), end="")
