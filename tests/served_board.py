"""An emulated board behind a serial port, run by a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tinyml.build.image import FirmwareImage
from tinyml.device.emulator import EmulatedBoard
from tinyml.device.serve import EmulatedMachine, pty_line, serve, tcp_line


@contextmanager
def served(image: FirmwareImage, kind: str = "tcp") -> Iterator[str]:
    """The address of the board at a "pty" or on "tcp"."""
    machine = EmulatedMachine(EmulatedBoard(image.elf, image.board))
    over = threading.Event()
    failure: list[BaseException] = []
    with pty_line() if kind == "pty" else tcp_line(0) as line:

        def run() -> None:
            try:
                serve(machine, line, over.is_set)
            except BaseException as error:
                failure.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield line.address
        finally:
            over.set()
            thread.join()
    assert not failure
