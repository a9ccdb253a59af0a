"""Random strings for the protocol, and the command loop under sanitizers that takes them."""

import random
import shutil
import subprocess
import time
from pathlib import Path

from toy_network import toy_bundle

from tinyml.build.benchmark import benchmark_commands
from tinyml.build.files import write_tree
from tinyml.build.firmware import render_adapter, render_firmware
from tinyml.device.link import Transport
from tinyml.resources import resource_dir
from tinyml.targets import load_board

MARK = b"\x01<frame>\x01"
ANSWER = b"m-name-dut-[tinyml]\r\nm-ready\r\n"
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
WORDS = [
    b"name", b"timestamp", b"profile", b"help", b"model", b"mem", b"results", b"db", b"db load ", b"db load 4", b"db print",
    b"db 00112233", b"db 0", b"db 0g", b"load", b"infer", b"infer 1 0", b"infer 3 2", b"infer 4294967295 4294967295", b"run 1",
    b"run 4294967295", b"put 0 4 00000000", b"put 0 4294967295 ffffffff", b"put 0 4 ", b"get 0", b"get 4294967295", b"get ",
    b"layers 2", b"layers 4294967295", b"tensor 0 0 0 0 4", b"tensor 1 0 0 8 8", b"tensor 0 0 0 4294967295 4",
    b"tensor 0 0 0 16 ",
    b"paint 00", b"paint ", b"reset",
    b"%", b"%%", b" ", b"  ", b"0", b"-1", b"4294967296", b"99999999999999999999", b"\r\n", b"\0", b"\xff", b"m-ready",
]  # fmt: skip


def garbage(rng: random.Random) -> bytes:
    """Bytes, or words of the protocol one behind the other, whole or cut; now and then far too long."""
    if rng.random() < 0.3:
        return rng.randbytes(rng.randrange(40))
    line = b"".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 8)))
    if rng.random() < 0.3:
        line = line[: rng.randrange(len(line) + 1)]
    if rng.random() < 0.02:
        line += bytes([rng.randrange(32, 127)]) * rng.randrange(1000)
    return line


def sanitizing_compiler() -> str | None:
    """gcc or clang: those that have the sanitizers."""
    return shutil.which("gcc") or shutil.which("clang")


def build_program(compiler: str, folder: Path) -> Path | None:
    """The command loop with the toy network, for this machine. None where the compiler's sanitizers are not installed."""
    bundle, board = toy_bundle(), load_board("qemu_mps2_an500")
    commands = benchmark_commands(bundle, None)
    generated = {
        "board_config.h": render_firmware("board_config.h.j2", board=board),
        "model_adapter.c": render_adapter(bundle, traced=True),
        "benchmark.c": render_firmware("benchmark.c.j2", **commands.context),
    }
    write_tree(folder, {**bundle.files, **generated})
    firmware = resource_dir("firmware")
    sources = [
        *(folder / path for path in (*bundle.sources, "model_adapter.c", "benchmark.c")),
        *(firmware / path for path in ("protocol/protocol.c", "protocol/benchmark.c", "protocol/trace.c")),
        *(firmware / "lib" / f"{name}.c" for name in ("crc32", "parse", "text")),
        Path(__file__).parent / "protocol_host.c",
    ]
    output = folder / "protocol"
    command = [
        compiler,
        "-std=gnu99",
        "-O1",
        "-g",
        "-DTINYML_TRACE",
        "-DTINYML_LAYERS=2",
        *SANITIZE,
        f"-I{folder}",
        f"-I{firmware / 'include'}",
    ]
    done = subprocess.run(
        [*command, *map(str, sources), "-o", str(output)], capture_output=True, text=True, check=False
    )
    if "cannot find -lasan" in done.stderr or "cannot find -lubsan" in done.stderr:
        return None
    assert done.returncode == 0, done.stderr
    return output


def answers(program: Path, strings: list[bytes], ends: int = 2) -> list[bytes]:
    """For each string, what a host is answered that has lost its place: it ends what is half said, ends what that began
    to run, and asks for the name."""
    frames = [frame for string in strings for frame in (string, *[b"%"] * ends, b"name%")]
    data = b"".join(len(frame).to_bytes(4, "little") + frame for frame in frames)
    done = subprocess.run([program], input=data, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    replies = done.stdout.split(MARK)[1:]
    assert len(replies) == len(frames)
    return replies[ends + 1 :: ends + 2]


def recovers(line: Transport, seconds: float = 10.0) -> bool:
    """A host that has lost its place: ends what is half said or runs, until it is answered who is there.

    Args:
        seconds: what a board may take; where it waits for the bytes of a `put`, it gives up after two.
    """
    end = time.monotonic() + seconds
    heard = b""
    while time.monotonic() < end:
        line.write(b"%")
        quiet = False
        while not quiet:  # whatever it still has to say
            data = line.read(0.3)
            heard, quiet = heard + data, not data
        line.write(b"%name%")
        answer = b""
        while not answer.endswith(ANSWER) and (data := line.read(1.0)):
            answer += data
        if answer.endswith(ANSWER):
            return True
    return False
