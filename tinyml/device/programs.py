"""Runs a benchmark program (firmware/hosted/benchmark.c) here, in QEMU's user mode, or over adb on a phone."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tinyml.errors import ToolError, UsageError
from tinyml.targets.core import Core

HERE, QEMU, ADB = "here", "qemu", "adb"
_SECONDS = 600.0
_REMOTE = "/data/local/tmp"  # the folder that adb's shell may write to and execute from
_INPUTS, _OUTPUTS = "inputs.bin", "outputs.bin"


@dataclass(frozen=True, slots=True)
class Times:
    """What the program prints. plan: of the build that is in it; nanoseconds of a run by the monotonic clock."""

    model: str
    plan: str
    runs: int
    median_ns: int
    least_ns: int
    most_ns: int


@dataclass(frozen=True, slots=True)
class Benchmarked:
    """Attributes: outputs: the bytes of all outputs, one behind the other."""

    times: Times
    outputs: bytes


_TIMES = TypeAdapter(Times)


def benchmark(program: Path, core: Core, place: str, inputs: Sequence[bytes], runs: int) -> Benchmarked:
    """Runs the network that many times on the same inputs.

    Args:
        core: that the program was built for.
        place: "here", "qemu", "adb" or "adb:SERIAL".

    Raises:
        UsageError: the place cannot run programs of this core.
        ToolError: QEMU or adb are missing, no phone is there, or the program fails; with what it said.
    """
    if place == HERE:
        return _on_this_machine((), program, inputs, runs)
    if core.qemu_user is None:
        raise UsageError(f"{place} runs no programs of this machine", f"expected {HERE}")
    if place == QEMU:
        return _on_this_machine((str(find_qemu_user(core)),), program, inputs, runs)
    return _over_adb(find_adb(), place.removeprefix(ADB).removeprefix(":"), program, inputs, runs)


def find_qemu_user(core: Core) -> Path:
    """Raises ToolError where it is not installed."""
    found = None if core.qemu_user is None else shutil.which(core.qemu_user)
    if found is None:
        raise ToolError(f"{core.qemu_user} is not installed", "Debian, Ubuntu: apt install qemu-user (it is for Linux)")
    return Path(found)


def find_adb() -> Path:
    """Raises ToolError where it is not installed."""
    found = shutil.which(ADB)
    if found is None:
        raise ToolError("adb is not installed", "Debian, Ubuntu: apt install adb; others: Android's platform tools")
    return Path(found)


def phones(adb: Path) -> dict[str, str]:
    """Serial number -> state ("device", "unauthorized", "offline") of what adb sees."""
    lines = _run([str(adb), "devices"]).decode(errors="replace").splitlines()
    rows = [line.split("\t") for line in lines if "\t" in line]
    return {row[0]: row[1].strip() for row in rows}


def _on_this_machine(runner: Sequence[str], program: Path, inputs: Sequence[bytes], runs: int) -> Benchmarked:
    with tempfile.TemporaryDirectory(prefix="tinyml-") as temporary:
        given, taken = Path(temporary) / _INPUTS, Path(temporary) / _OUTPUTS
        given.write_bytes(b"".join(inputs))
        said = _run([*runner, str(program.resolve()), str(runs), str(given), str(taken)])
        return Benchmarked(_times(said), taken.read_bytes())


def _over_adb(adb: Path, serial: str, program: Path, inputs: Sequence[bytes], runs: int) -> Benchmarked:
    """Leaves nothing on the phone. adb gives what it is told to a shell there: only words of ours are."""
    command = [str(adb), "-s", _choose(phones(adb), serial)]
    made = _run([*command, "shell", f"mktemp -d {_REMOTE}/tinyml-XXXXXX"]).decode(errors="replace").strip()
    if not made.startswith(f"{_REMOTE}/tinyml-") or not made.removeprefix(f"{_REMOTE}/tinyml-").isalnum():
        raise ToolError(f"the phone made no folder in {_REMOTE}: {made!r}")
    try:
        with tempfile.TemporaryDirectory(prefix="tinyml-") as temporary:
            given, taken = Path(temporary) / _INPUTS, Path(temporary) / _OUTPUTS
            given.write_bytes(b"".join(inputs))
            _run([*command, "push", str(given), f"{made}/{_INPUTS}"])
            _run([*command, "push", str(program), f"{made}/benchmark"])
            _run([*command, "shell", f"chmod 755 {made}/benchmark"])
            said = _run([*command, "shell", f"{made}/benchmark {runs} {made}/{_INPUTS} {made}/{_OUTPUTS}"])
            _run([*command, "pull", f"{made}/{_OUTPUTS}", str(taken)])
            return Benchmarked(_times(said), taken.read_bytes())
    finally:
        _run([*command, "shell", f"rm -r {made}"])


def _choose(found: dict[str, str], serial: str) -> str:
    listed = ", ".join(f"{name} ({state})" for name, state in found.items()) or "none"
    if serial:
        if found.get(serial) != "device":
            raise ToolError(f"no phone {serial} is ready; adb sees: {listed}", "unlock it, and allow USB debugging")
        return serial
    ready = [name for name, state in found.items() if state == "device"]
    if not ready:
        raise ToolError(f"no phone is ready; adb sees: {listed}", "plug one in, unlock it, and allow USB debugging")
    if len(ready) > 1:
        raise ToolError(f"there are several phones: {', '.join(ready)}", f"choose one: --on {ADB}:{ready[0]}")
    return ready[0]


def _times(said: bytes) -> Times:
    try:
        return _TIMES.validate_json(said)
    except ValidationError:
        raise ToolError(f"the benchmark said something else than its times: {said[:200]!r}") from None


def _run(command: Sequence[str]) -> bytes:
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_SECONDS)
    except OSError as error:
        raise ToolError(f"{command[0]} cannot be started: {error}") from error
    except subprocess.TimeoutExpired:
        raise ToolError(f"{name} took more than {_SECONDS:.0f} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise ToolError(f"{name} failed (exit {done.returncode}): {said or 'it said nothing'}")
    return done.stdout
