"""What stands for flags: a profile, and `tinyml.toml` beside a model. Flags on the command line override both, and the file
overrides the profile.

board = "stm32h7"
precision = "mixed"
sram = "192K"
labels = "labels.txt"

[calibration]
data = "pictures"
observer = "mse"

[preprocess]
range = [-1, 1]
fit = "crop"
"""

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tinyml.errors import UsageError
from tinyml.targets import load_profile

FILE = "tinyml.toml"
# Of these only the command line's count where it has any of them.
_TOGETHER = (("--board", "--target"), ("--input-range", "--mean", "--std"))


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Calibration(_Table):
    data: str | None = None
    observer: str | None = None


class _Preprocess(_Table):
    range: list[float] | None = None
    mean: list[float] | None = None
    std: list[float] | None = None
    fit: Literal["squash", "crop"] | None = None


class Project(_Table):
    """The file's keys are those of the flags."""

    name: str | None = None
    board: str | None = None
    target: str | None = None
    sram: str | int | None = None
    flash: str | int | None = None
    reserve_sram: str | int | None = None
    cycles: int | None = None
    profile: str | None = None
    min_sqnr: float | None = None
    precision: str | None = None
    effort: str | None = None
    objective: str | None = None
    io: str | None = None
    labels: str | None = None
    keep_input: bool | None = None
    calibration: _Calibration = _Calibration()
    preprocess: _Preprocess = _Preprocess()


def preset_flags(profile: str | None) -> list[str]:
    """What a profile says, as flags: the name of one, or a file.

    Raises:
        BoardError: there is no such profile, or its file is malformed.
    """
    if profile is None:
        return []
    preset = load_profile(profile)
    return [
        f"--objective={preset.objective}",
        f"--precision={preset.precision}",
        f"--reserve-sram={preset.reserve_sram_bytes}",
    ]


def flags_beside(model: Path, given: Sequence[str]) -> list[str]:
    """Command-line flags that say what the model's `tinyml.toml` says; none where there is no such file.

    They go before the user's own, which then count. Paths in the file are relative to it.

    Args:
        given: the user's own command line.

    Raises:
        UsageError: the file is malformed, or has a key that we do not know.
    """
    path = model.parent / FILE
    if not model.is_file() or not path.is_file():
        return []
    try:
        project = Project.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise UsageError(f"{path}: {e}", "expected a TOML file; see docs/quantization.md") from e
    except ValidationError as e:
        first = e.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = f"the keys are {', '.join(Project.model_fields)}" if first["type"] == "extra_forbidden" else None
        raise UsageError(f"{path}: {key} = {first['input']!r}: {first['msg']}", known) from e
    present = {text.partition("=")[0] for text in given}
    silent = {flag for group in _TOGETHER if present.intersection(group) for flag in group}
    return [flag for flag in _flags(project, path.parent) if flag.partition("=")[0] not in silent]


def _flags(project: Project, folder: Path) -> Iterator[str]:
    for key, value in project:
        flag = f"--{key.replace('_', '-')}"
        if isinstance(value, bool):
            yield from [flag] if value else []
        elif isinstance(value, str | int | float):
            is_file = key == "labels" or (key == "profile" and str(value).endswith(".toml"))
            yield f"{flag}={folder / str(value) if is_file else value}"
    if project.calibration.data is not None:
        yield f"--calibration={folder / project.calibration.data}"
    if project.calibration.observer is not None:
        yield f"--observer={project.calibration.observer}"
    chosen = project.preprocess
    for flag, numbers in (("--input-range", chosen.range), ("--mean", chosen.mean), ("--std", chosen.std)):
        if numbers is not None:
            yield f"{flag}={','.join(map(repr, numbers))}"
    if chosen.fit is not None:
        yield f"--fit={chosen.fit}"
