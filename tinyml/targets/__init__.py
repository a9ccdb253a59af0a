"""What a model is built for: cores, boards and profiles."""

from tinyml.targets.board import Board, FlashTools, Link, MemoryRegion, ReadyBits, Uart
from tinyml.targets.core import CORES, Core, Isa
from tinyml.targets.limits import at_safe_clock, choose_target, ram_called, with_limits
from tinyml.targets.load import generic_target, list_boards, list_profiles, load_board, load_profile, parse_size
from tinyml.targets.profile import Profile
from tinyml.targets.template import board_template

__all__ = [
    "CORES", "Board", "Core", "FlashTools", "Isa", "Link", "MemoryRegion", "Profile", "ReadyBits", "Uart",
    "at_safe_clock", "board_template", "choose_target", "generic_target", "list_boards", "list_profiles", "load_board",
    "load_profile", "parse_size", "ram_called", "with_limits",
]  # fmt: skip
