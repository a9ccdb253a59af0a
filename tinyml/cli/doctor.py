"""`tinyml doctor`: what is installed, and what to do where something is not."""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from tinyml import __version__
from tinyml.build.files import cache_dir
from tinyml.build.toolchain import Toolchain, find_host_toolchain, find_toolchain
from tinyml.cli.common import Verbs, add_output_flags, console, print_json
from tinyml.errors import TinymlError


@dataclass(frozen=True, slots=True)
class Check:
    """Attributes: needed: a build fails without it; hint: what to do where it is missing."""

    name: str
    found: bool
    detail: str
    needed: bool
    hint: str = ""


def add_parser(verbs: Verbs) -> None:
    parser = verbs.add_parser("doctor", help="check toolchains and emulators", allow_abbrev=False)
    add_output_flags(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit code 1 where something is missing that a build needs."""
    checks = _checks()
    if arguments.json:
        print_json([asdict(check) for check in checks])
    else:
        out = console(arguments)
        for check in checks:
            mark = "[green]ok[/]     " if check.found else ("[red]missing[/]" if check.needed else "[yellow]absent[/] ")
            out.print(f"{mark} {check.name:<22} {check.detail}")
            if not check.found:
                out.print(f"        {check.hint}")
    return 1 if any(check.needed and not check.found for check in checks) else 0


def _checks() -> list[Check]:
    return [
        Check("tinyml", True, f"{__version__}, Python {sys.version.split()[0]} on {sys.platform}", True),
        Check("cache", True, str(cache_dir()), True),
        _tool("ziglang", lambda: find_toolchain("ziglang").version, True, "pip install ziglang"),
        _tool(
            "arm-none-eabi-gcc",
            lambda: find_toolchain("arm-none-eabi-gcc").version,
            False,
            "optional; ziglang serves as well. Debian: apt install gcc-arm-none-eabi",
        ),
        _tool("host C compiler", lambda: _named(find_host_toolchain()), True, "pip install ziglang"),
        _tool("unicorn", _unicorn_version, True, "pip install unicorn"),
        _tool(
            "qemu-system-arm",
            _qemu_version,
            False,
            "optional, the second emulator. Debian: apt install qemu-system-arm",
        ),
    ]


def _tool(name: str, version: Callable[[], str], needed: bool, hint: str) -> Check:
    try:
        return Check(name, True, version(), needed)
    except (TinymlError, OSError, ImportError, subprocess.SubprocessError) as e:
        return Check(name, False, str(e).splitlines()[0], needed, hint)


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
