"""The page docs/boards.md, from the board files."""

from collections.abc import Sequence

from tinyml.targets.board import Board


def boards_page(boards: Sequence[Board]) -> str:
    """Markdown: a table of all boards, then each board's memory map with the source of every address."""
    parts = [
        "# Boards",
        "",
        "Made from the files in boards/ by `tinyml.targets.docs.boards_page`; a test keeps it current. How to add a",
        "board stands in firmware.md. *Not confirmed* marks what was not read in a source that can be named.",
        "",
        "| board | alias | core | clock | arena, at most | flash | serial port | QEMU | silicon |",
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
        "" if board.clock_hz is None else f"{board.clock_hz / 1e6:g} MHz",
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
        "| region | address | size | holds | DMA | wait | source |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {r.name} | {r.address:#010x} | {_kib(r.bytes)} | {', '.join(roles[r.name])} | {'yes' if r.dma else 'no'} "
            f"| {r.wait_cycles or ''} | {r.source} |"
            for r in board.regions
        ),
        "",
    ]
    if board.uart is not None:
        lines += [f"Serial port: `{board.uart.driver}` at {board.uart.base:#010x}. {board.uart.source}.", ""]
    if board.emulators:
        names = {"qemu": f"QEMU (`-M {board.qemu_machine}`)", "unicorn": "tinyml's emulator (Unicorn)"}
        lines += [f"Boots and answers in {' and '.join(names[name] for name in board.emulators)}.", ""]
    lines += [f"- {note}" for note in board.notes]
    return lines[:-1] if lines[-1] == "" else lines


def _kib(size: int) -> str:
    return f"{size // 1024:,} KiB"
