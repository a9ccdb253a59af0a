"""Finished builds: a key for every input, whole folders only, and no trust in what the disk has kept."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from small_models import several_ports

from tinyml import store
from tinyml.cli.main import main
from tinyml.pipeline import Options
from tinyml.quantize import Preprocess
from tinyml.schedule.model import Objective
from tinyml.store import build_key, cached_build, keep_build, publish
from tinyml.targets import load_board, with_limits


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYML_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def options(tmp_path: Path) -> Options:
    calibration = tmp_path / "calibration"
    calibration.mkdir()
    (calibration / "a.png").write_bytes(b"a picture")
    model = several_ports(tmp_path / "ports.onnx")
    return Options(model, load_board("stm32h7"), tmp_path / "work", calibration=calibration, preprocess=Preprocess())


def key(options: Options) -> str:
    return build_key(options, "gcc 12")


OTHERS: dict[str, Any] = {
    "board": load_board("stm32l4r5"),
    "name": "other",
    "precision": "float32",
    "effort": "high",
    "observer": "minmax",
    "cycles": 1,
    "min_sqnr": 20.0,
    "objective": Objective.SRAM,
    "calibration": None,
    "preprocess": Preprocess.to_range(-1, 1),
    "io": "uint8",
    "input_shapes": {"a": (1, 3, 8, 8)},
    "via": "onnx2tf",
    "sources": Path("changed"),
    "keep_input": True,
    "stream_input": True,
    "recompute": 0.25,
    "weights_growth": 0.5,
    "sram_limited": True,
    "place": ("auto",),
    "several_arenas": False,
    "reserve_sram": 1,
    "labels": ("a",),
    "toolchain": "ziglang",
    "benchmark": "vww",
    "autotune": True,
    "check_fit": False,
    "traced": True,
}


def test_every_option_has_a_case() -> None:
    assert {f.name for f in fields(Options)} == {*OTHERS, "model", "work_dir"}


@pytest.mark.parametrize("name", OTHERS)
def test_every_option_changes_the_key(options: Options, name: str) -> None:
    other = replace(options, **{name: OTHERS[name]})
    assert getattr(other, name) != getattr(options, name)
    assert key(other) != key(options)


def contents(options: Options) -> Iterator[None]:
    """Changes one thing after the other that a build is made from."""
    assert options.calibration is not None
    data = bytearray(options.model.read_bytes())
    data[-1] ^= 1
    options.model.write_bytes(data)
    yield
    (options.calibration / "a.png").write_bytes(b"another picture")
    yield
    (options.calibration / "b.png").write_bytes(b"one more")
    yield
    (options.calibration / "deep").mkdir()
    (options.calibration / "deep" / "c.png").write_bytes(b"and another")
    yield


def test_every_byte_changes_the_key(options: Options) -> None:
    keys = [key(options), *(key(options) for _ in contents(options))]
    assert len(set(keys)) == len(keys)


def test_weights_in_other_files_change_the_key(options: Options) -> None:
    """ONNX models of more than 2 GB, and others, keep weights beside the file."""
    model = onnx.load(options.model)
    onnx.save(model, options.model, save_as_external_data=True, location="ports.weights", size_threshold=0)
    weights = options.model.with_name("ports.weights")
    first = (key(options), options.model_sha256)
    data = bytearray(weights.read_bytes())
    data[0] ^= 1
    weights.write_bytes(data)
    assert key(options) != first[0] and options.model_sha256 != first[1]


def test_limits_and_compilers_change_the_key(options: Options) -> None:
    limited = replace(options, board=with_limits(options.board, 64 << 10, None))
    keys = [key(options), key(limited), build_key(options, "gcc 13")]
    assert len(set(keys)) == 3


def test_a_change_of_ours_changes_the_key(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(options)
    monkeypatch.setattr(store, "compiler_digest", lambda: "another version")
    assert key(options) != before


def test_places_do_not_change_the_key(options: Options, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "ports.onnx"
    moved.parent.mkdir()
    moved.write_bytes(options.model.read_bytes())
    assert key(replace(options, work_dir=tmp_path / "w", model=moved)) == key(options)


def folder(path: Path, **files: str) -> Path:
    path.mkdir(parents=True)
    for name, text in {"report.json": "{}", **files}.items():
        (path / name).write_text(text)
    return path


def test_keep_and_take(tmp_path: Path) -> None:
    assert cached_build("k") is None
    keep_build("k", folder(tmp_path / "made", firmware="bytes"))
    found = cached_build("k")
    assert found is not None and (found / "firmware").read_text() == "bytes"
    assert cached_build("other") is None


@pytest.mark.parametrize("damage", ["changed", "emptied", "removed", "added", "report", "digest", "folder"])
def test_damaged_entries_are_not_taken_and_are_replaced(tmp_path: Path, damage: str) -> None:
    made = folder(tmp_path / "made", firmware="bytes")
    keep_build("k", made)
    entry = cached_build("k")
    assert entry is not None
    match damage:
        case "changed":
            (entry / "firmware").write_text("bytez")
        case "emptied":
            (entry / "firmware").write_text("")
        case "removed":
            (entry / "firmware").unlink()
        case "added":
            (entry / "more").write_text("")
        case "report":
            (entry / "report.json").unlink()
        case "digest":
            entry.with_name("k.sha256").write_bytes(b"\xff")
        case "folder":
            entry.rename(tmp_path / "gone")
    assert cached_build("k") is None
    keep_build("k", made)
    assert cached_build("k") == entry and (entry / "firmware").read_text() == "bytes"


def test_publish_replaces_whole_folders(tmp_path: Path) -> None:
    """What the new one lacks does not stay behind, and nothing is left beside it."""
    target = folder(tmp_path / "out" / "build", firmware="old", leftover="old")
    publish(folder(tmp_path / "new", firmware="new"), target)
    assert sorted(p.name for p in target.iterdir()) == ["firmware", "report.json"]
    assert (target / "firmware").read_text() == "new"
    assert [p.name for p in target.parent.iterdir()] == ["build"]


def test_publish_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, in the middle of the copy."""
    target = folder(tmp_path / "out" / "build", firmware="old")

    def full(source: Path, fresh: Path) -> None:
        fresh.mkdir()
        (fresh / "firmware").write_text("ne")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", full)
    with pytest.raises(OSError, match="No space left"):
        publish(folder(tmp_path / "new", firmware="new"), target)
    assert (target / "firmware").read_text() == "old"
    assert [p.name for p in target.parent.iterdir()] == ["build"]


def test_publish_into_a_race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process puts the same build there first: one of them stays, and neither fails."""
    target = tmp_path / "out" / "build"
    rename = Path.rename

    def late(self: Path, to: Path) -> Path:
        if self.name == "new" and not target.exists():
            folder(target, firmware="theirs")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", late)
    publish(folder(tmp_path / "made", firmware="ours"), target)
    assert (target / "firmware").read_text() in ("ours", "theirs")
    assert sorted(p.name for p in target.iterdir()) == ["firmware", "report.json"]


def test_build_heals_a_damaged_cache(options: Options, tmp_path: Path, cache: Path) -> None:
    """The second of two builds comes from the cache; after damage to it, the third is built anew, and is the same."""
    model = options.model
    np.savez(tmp_path / "data.npz", a=np.ones((2, 1, 3, 8, 8), np.float32), b=np.ones((2, 1, 6), np.float32))
    command = ["build", "-q", "--target", "cortex-m4", "--calibration", str(tmp_path / "data.npz"), str(model), "-o"]
    images = []
    for number in range(3):
        assert main([*command, str(tmp_path / f"out{number}")]) == 0
        images.append((tmp_path / f"out{number}" / "firmware.elf").read_bytes())
        (kept,) = (cache / "builds").glob("*/firmware.elf")
        assert kept.read_bytes() == images[0]
        if number == 1:
            kept.write_bytes(b"damaged")
    assert images[0] == images[1] == images[2]
