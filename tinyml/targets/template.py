"""The file that a board of one's own begins with."""

_TEMPLATE = """\
# A board of your own, for `tinyml build --board {id}.toml`. Fill in what says so. A line that begins with # and no space
# may be left out; take its # away to say it. Other boards show all of it at work: `tinyml boards show NAME`.
schema_version = 1
id = "{id}"
core = "FILL IN" # cortex-m0, cortex-m0+, cortex-m3, cortex-m4, cortex-m7, cortex-m33 or cortex-m55
# Of rv32imc, xtensa-lx6 and xtensa-lx7 there is C but no firmware.

#title = "{id}"
#aliases = ["{id}_for_short"]
#silicon = "boots on silicon: untested"
#notes = ["What whoever uses the board should know."]

# Firmware wants to know the clock, and the serial port at the end of this file. Without them a board does for
# `tinyml analyze` and `tinyml build --emit c`.
# startup: a file of firmware/clock/ that sets the clock up; "none" keeps the clock of reset.
# timer: a file of firmware/timer/; every core has dwt but Cortex-M0 and M0+, most of which have systick.
#clock_hz = 16_000_000
#startup = "none"
#timer = "systick"

# The memories, from the chip's reference manual. One of kind "flash" and one of kind "ram" at least.
[[region]]
name = "flash"
kind = "flash"
address = 0x0800_0000
size_kib = 0 # FILL IN: KiB of 1024 bytes
#wait_cycles = 5 # of the core, for an access that no cache serves
#source = "the manual, and the page that says so"

[[region]]
name = "sram"
kind = "ram"
address = 0x2000_0000
size_kib = 0 # FILL IN
#dma = true # DMA controllers reach it
#execute = false # code may run in it
#source = "the manual, and the page that says so"

# What waiting for flash costs, for modelled cycles.
#[cache]
#line_bytes = 16 # what one access brings
#line_cycles = 5 # of the core, until a line is there
#code_bytes = 1024 # that caches or a flash accelerator keep at hand; 0: the line used last
#data_bytes = 128
#prefetch = true # code is fetched in advance
#source = "the manual, and the page that says so"

# Which memory holds what. Left out, the largest flash holds code and weights, and the largest RAM everything else.
#[link]
#code = "flash"
#arena = "sram"
#stack = "sram"
#data = "sram"
#stack_kib = 2

# The serial port. driver: a file of firmware/uart/; the options are what that file reads as TINYML_UART_<NAME>.
#[uart]
#driver = "cmsdk_uart"
#address = 0x4000_4000
#baud = 115200
#source = "the manual, and the page that says so"
#[uart.options]
#kernel_clock_hz = 16_000_000
"""


def board_template(board_id: str) -> str:
    """TOML that is a board once filled in where it says so.

    Args:
        board_id: lower-case letters, digits and underscores, a letter first.
    """
    return _TEMPLATE.format(id=board_id)
