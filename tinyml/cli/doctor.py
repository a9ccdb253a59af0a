"""`tinyml doctor`: what is installed and attached, and what to do where something is not."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tinyml import __version__
from tinyml.build.files import cache_dir
from tinyml.build.toolchain import Toolchain, find_host_toolchain, find_toolchain
from tinyml.cli.common import Verbs, add_output_flags, console, print_json
from tinyml.device.flash import TOOLS, Job
from tinyml.device.serial_port import PortInfo, list_ports, permission_hint, pyserial
from tinyml.device.usb import boards_of, usb_devices
from tinyml.errors import TinymlError
from tinyml.targets import list_boards

_SERIAL_GROUPS = ("dialout", "uucp")  # that own serial ports: of Debian, Fedora, SUSE; of Arch


@dataclass(frozen=True, slots=True)
class Check:
    """Attributes:
    part: "tools", "flash tools", "ports" or "probes".
    needed: a build fails without it.
    hint: what to do where it is missing, or is no good.
    """

    part: str
    name: str
    found: bool
    detail: str
    needed: bool = False
    hint: str = ""


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser("doctor", help="check toolchains, emulators, ports, probes", allow_abbrev=False)
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit code 1 where something is missing that a build needs."""
    checks = [*_tools(), *_flash_tools(), *_attached()]
    if arguments.json:
        print_json([asdict(check) for check in checks])
    out = console(arguments)
    for number, check in enumerate(checks):
        if number == 0 or check.part != checks[number - 1].part:
            out.print(f"{'' if number == 0 else chr(10)}[bold]{check.part}[/]")
        mark = "[green]ok[/]     " if check.found else ("[red]missing[/]" if check.needed else "[yellow]absent[/] ")
        out.print(f"  {mark} {check.name:<22} ", end="")
        out.print(check.detail, markup=False)
        if not check.found:
            out.print(f"          {check.hint}", markup=False)
    return 1 if any(check.needed and not check.found for check in checks) else 0


def _tools() -> Iterator[Check]:
    part = "tools"
    yield Check(part, "tinyml", True, f"{__version__}, Python {sys.version.split()[0]} on {sys.platform}", True)
    yield Check(part, "cache", True, str(cache_dir()), True)
    yield _tool("ziglang", lambda: find_toolchain("ziglang").version, True, "pip install ziglang")
    yield _tool(
        "arm-none-eabi-gcc",
        lambda: find_toolchain("arm-none-eabi-gcc").version,
        False,
        "optional; ziglang serves as well. Debian: apt install gcc-arm-none-eabi",
    )
    yield _tool("host C compiler", lambda: _named(find_host_toolchain()), True, "pip install ziglang")
    yield _tool("unicorn", _unicorn_version, True, "pip install unicorn")
    yield _tool(
        "qemu-system-arm", _qemu_version, False, "optional, the second emulator. Debian: apt install qemu-system-arm"
    )
    yield _tool(
        "pyserial",
        lambda: str(pyserial().__version__),
        False,
        "for boards on serial ports: pip install 'tinyml[serial]'",
    )


def _flash_tools() -> Iterator[Check]:
    """Those that are programs. A board's bootloader volume or a GDB server shows when it is used."""
    boards = [board for board in list_boards() if board.has_firmware]
    for name, tool in TOOLS.items():
        fitting = [board for board in boards if tool.fits(board)]
        if name in ("gdb", "uf2") or not fitting:
            continue
        found = tool.find(Job(fitting[0], Path()))
        for_boards = f"for {', '.join(board.short_name for board in fitting)}"
        hint = f"optional, {for_boards}: {tool.missing(Job(fitting[0], Path()))}"
        yield Check("flash tools", name, found is not None, found or "not on the PATH", hint=hint)


def _attached() -> Iterator[Check]:
    boards = list_boards()
    try:
        ports = list_ports()
    except TinymlError:
        ports = ()
    yield from (_port(port) for port in ports)
    if not ports:
        yield Check("ports", "serial ports", False, "none is attached", hint="plug a board in; `emulate` needs none")
    if sys.platform == "linux" and not any(_usable(port) for port in ports):
        yield _serial_group()
    known = 0
    for device in usb_devices(ports):
        fitting = boards_of(device.vid, device.pid, boards)
        kind = device.probe
        if kind is None and not fitting:
            continue
        known += 1
        where = ", ".join(board.short_name for board in fitting)
        detail = f"{device.product or kind}{f': may be on {where}' if where else ''}"
        hint = f"you may not open {device.node}: install udev rules for it, such as OpenOCD's contrib/60-openocd.rules"
        yield Check("probes", device.id, device.usable is not False, detail, hint=hint)
    if not known:
        hint = "plug a board in by its debug connector; a cable for charging only carries no data"
        yield Check("probes", "probes and boards", False, "none is attached that tinyml knows", hint=hint)


def _port(port: PortInfo) -> Check:
    fitting = ", ".join(board.short_name for board in boards_of(port.vid, port.pid, list_boards()))
    detail = f"{port.description}{f': may be {fitting}' if fitting else ''}"
    return Check("ports", port.path, _usable(port), detail, hint=f"you may not open it: {permission_hint()}")


def _usable(port: PortInfo) -> bool:
    return sys.platform == "win32" or os.access(port.path, os.R_OK | os.W_OK)


def _serial_group() -> Check:
    """Whether a port that is plugged in later could be opened."""
    import grp

    if os.geteuid() == 0:
        return Check("ports", "permission", True, "root may open all ports")
    mine = {*os.getgroups(), os.getegid()}
    groups = [entry for entry in grp.getgrall() if entry.gr_name in _SERIAL_GROUPS]
    member = [entry.gr_name for entry in groups if entry.gr_gid in mine]
    names = " and ".join(entry.gr_name for entry in groups) or "dialout"
    detail = f"you are in {member[0]}" if member else f"you are not in {names}, which owns serial ports"
    return Check("ports", "permission", bool(member), detail, hint=permission_hint())


def _tool(name: str, version: Callable[[], str], needed: bool, hint: str) -> Check:
    try:
        return Check("tools", name, True, version(), needed)
    except (TinymlError, OSError, ImportError, subprocess.SubprocessError) as e:
        return Check("tools", name, False, str(e).splitlines()[0], needed, hint)


def _named(toolchain: Toolchain) -> str:
    return f"{toolchain.name} {toolchain.version}"


def _unicorn_version() -> str:
    import unicorn

    return str(unicorn.__version__)


def _qemu_version() -> str:
    qemu = shutil.which("qemu-system-arm")
    if qemu is None:
        raise FileNotFoundError("not on the PATH")
    done = subprocess.run([qemu, "--version"], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.splitlines()[0]
