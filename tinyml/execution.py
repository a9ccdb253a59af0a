"""Inferences wherever a build runs: the emitted C on this machine, its firmware in an emulator or on a board."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyml.build.host import HostModel, build_host_library
from tinyml.device.places import EMULATOR, QEMU, check_identity, is_port, open_board
from tinyml.emit.bundle import SourceBundle
from tinyml.errors import ToolError
from tinyml.ir.graph import Graph
from tinyml.profile import Firmware, Measurement, measure_emulated, measure_served, samples
from tinyml.targets import Board

HOST = "host"

Execute = Callable[[Sequence[bytes]], Sequence[bytes]]
"""One inference: bytes of every input -> bytes of every output."""


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What an inference gave, by the names of the network's outputs.

    Attributes:
        stored: as the network stores it (int8, say).
        real: the real numbers that it stands for, float32.
    """

    stored: Mapping[str, np.ndarray]
    real: Mapping[str, np.ndarray]


def infer(interface: Graph, execute: Execute, sample: Mapping[str, np.ndarray]) -> Outputs:
    """One inference.

    Args:
        interface: has the network's inputs and outputs; its nodes do not matter.
        sample: every input as it is stored.
    """
    raw = execute([np.ascontiguousarray(sample[name]).tobytes() for name in interface.inputs])
    values = [interface.value(name) for name in interface.outputs]
    stored = {v.name: np.frombuffer(data, v.dtype.numpy).reshape(v.shape) for v, data in zip(values, raw, strict=True)}
    real = {
        v.name: stored[v.name].astype(np.float32) if v.quant is None else v.quant.dequantize(stored[v.name])
        for v in values
    }
    return Outputs(stored, real)


def on_host(bundle: SourceBundle, folder: Path) -> Execute:
    """The emitted C, compiled for this machine into `folder`.

    Raises:
        ToolError: no compiler, or it fails.
    """
    return HostModel(build_host_library(bundle, folder, trace=False)).run


def on_board(place: str, elf: Path | None, board: Board, *, name: str, plan: str) -> Execute:
    """Firmware at a place that `tinyml.device.places` knows.

    Args:
        elf: None where a board behind a port has it.
        name, plan: of the build that the board must run, as of `check_identity`.
    """

    def execute(inputs: Sequence[bytes]) -> Sequence[bytes]:
        with open_board(place, elf, board) as client:
            if is_port(place):
                check_identity(client.model(), place, name=name, plan=plan, board=board.id)
            return client.infer(inputs)

    return execute


def measure(firmware: Firmware, place: str, runs: int, warm_up: int, *, name: str, plan: str) -> Measurement:
    """What inferences on noise cost.

    Args:
        name, plan: as of `on_board`.

    Raises:
        ToolError: what runs there is not this build, or nothing runs there.
    """
    board, inputs = firmware.board, samples(firmware.interface, runs)
    if place == EMULATOR:
        if board.core.unicorn_model is None:
            raise ToolError(
                f"the emulator cannot run {board.core.name} ({board.title})",
                "--on qemu, where QEMU has the board, or --on PORT",
            )
        return measure_emulated(firmware, inputs, warm_up)
    with open_board(place, firmware.elf, board) as client:
        check_identity(client.model(), place, name=name, plan=plan, board=board.id)
        return measure_served(client, firmware, inputs, warm_up, has_clock=place != QEMU)
