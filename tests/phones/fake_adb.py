"""Stands for adb with one phone: a folder is its file system, QEMU its processor. Every call is kept, as JSON lines.

FAKE_ADB_DEVICES is what `adb devices` lists; FAKE_ADB_LIES makes pulled files differ in their first byte.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(os.environ["FAKE_ADB_ROOT"])


def local(path: str) -> Path:
    assert path.startswith("/data/local/tmp/") and ".." not in path, path
    return ROOT / path[1:]


def shell(command: str) -> int:
    match command.split(" "):
        case ["mktemp", "-d", template]:
            made = template.replace("XXXXXX", "k3Yz09")
            local(made).mkdir(parents=True)
            print(made)
        case ["chmod", "755", path]:
            local(path).chmod(0o755)
        case ["rm", "-r", path]:
            for file in local(path).iterdir():
                file.unlink()
            local(path).rmdir()
        case [program, *words]:
            assert re.fullmatch(r"[\w/.\- ]+", command), command
            arguments = [str(local(word)) if word.startswith("/") else word for word in words]
            return subprocess.run(["qemu-aarch64", str(local(program)), *arguments], check=False).returncode
    return 0


def main() -> int:
    with (ROOT / "calls").open("a") as log:
        log.write(json.dumps(sys.argv[1:]) + "\n")
    match sys.argv[1:]:
        case ["devices"]:
            listed = os.environ.get("FAKE_ADB_DEVICES", "PHONE1\tdevice")
            print(f"List of devices attached\n{listed}\n")
        case ["-s", _, "push", source, target]:
            local(target).write_bytes(Path(source).read_bytes())
        case ["-s", _, "pull", source, target]:
            data = bytearray(local(source).read_bytes())
            data[0] ^= "FAKE_ADB_LIES" in os.environ
            Path(target).write_bytes(data)
        case ["-s", _, "shell", command]:
            return shell(command)
        case other:
            raise SystemExit(f"adb: {other}")
    return 0


sys.exit(main())
