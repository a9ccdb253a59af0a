"""Shows that every default dependency has a wheel for Linux, macOS and Windows. Downloads and installs nothing of ours."""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

SYSTEMS = {
    "Linux x86-64": ["manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"],
    "Linux arm64": ["manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"],
    "macOS arm64": ["macosx_14_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64"],
    "Windows x86-64": ["win_amd64"],
}


def main() -> int:
    project = tomllib.loads(Path(__file__).parent.parent.joinpath("pyproject.toml").read_text())
    failed = 0
    for system, tags in SYSTEMS.items():
        platforms = [flag for tag in tags for flag in ("--platform", tag)]
        with tempfile.TemporaryDirectory() as target:
            command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--target", target]
            command += ["--only-binary=:all:", "--python-version", "3.12", *platforms]
            done = subprocess.run([*command, *project["project"]["dependencies"]], capture_output=True, text=True)
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        print(f"{system}: {'all wheels resolve' if done.returncode == 0 else chr(10).join(errors)}")
        failed += done.returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
