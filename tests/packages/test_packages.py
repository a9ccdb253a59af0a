"""Packages of networks of every kind: complete, the same each time, and right; and what others' tools think of them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from emitted_c import STRICT, calibration, compiled, graph_of
from package_checks import (
    STAND_INS,
    command,
    compile_person,
    example_frame,
    example_text,
    need_tools,
    put_files,
    scores,
    stored,
)
from small_models import several_ports

from tinyml.cli.main import main
from tinyml.emit.packages import LAYOUTS
from tinyml.pipeline import Compilation, need
from tinyml.ways import WAYS

CATEGORIES = (
    "Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing", "Data Storage",
    "Data Processing", "Other",
)  # fmt: skip
"""Of Arduino's library specification."""

MODULE_SCHEMA = """
type: map
mapping:
  name: {type: str}
  build:
    type: map
    mapping:
      cmake: {type: str}
      kconfig: {type: str}
  samples:
    type: seq
    sequence: [{type: str}]
"""
"""The part of a Zephyr module's metadata, as its documentation describes them, that a package uses."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def person(folder: Path) -> Compilation:
    return compile_person(folder)


def package(way: str, done: Compilation) -> Mapping[str, bytes]:
    return WAYS[way].files(done)


@cache
def network(kind: str, folder: Path) -> Compilation:
    match kind:
        case "streamed":  # and with classes that have names
            done = compile_person(folder)
            options = replace(done.options, stream_input=True, labels=("nobody", "person"))
            values = {name: getattr(options, name) for name in ("calibration", "preprocess", "stream_input", "labels")}
            return compiled(options.model, folder, name="streamed", **values)
        case "ports":
            model = several_ports(folder / "ports.onnx")
            return compiled(model, folder, calibration=calibration(model))
        case _:
            return compiled(several_ports(folder / "real.onnx"), folder, precision="float32")


def example_inputs(done: Compilation, folder: Path) -> list[bytes]:
    """What the example of a network gives it."""
    graph = graph_of(done)
    if f"{need(done.bundle).name}_pixels.h" in need(done.bundle).files:
        return [stored(done, example_frame(folder))]
    values = [graph.value(name) for name in graph.inputs]
    return [(np.arange(value.elements) % 100).astype(value.dtype.numpy).tobytes() for value in values]


@pytest.mark.parametrize("kind", ["streamed", "ports", "real"])
def test_examples_of_every_kind_of_network(kind: str, folder: Path, tmp_path: Path) -> None:
    """The application's part and the example compile without a warning, and print what the interpreter computes."""
    need_tools("gcc")
    done = network(kind, folder)
    root = put_files(tmp_path, package("cmake", done)) / "cmake" / kind
    sources = [str(path.relative_to(root)) for path in sorted(root.rglob("*.c")) if path.name != "vectors.c"]
    command(["gcc", *STRICT, "-O1", "-fsanitize=address,undefined", "-Iinclude", "-Isrc", *sources, "-o", "run"], root)
    expected = example_text(kind, scores(graph_of(done), example_inputs(done, tmp_path)), done.options.labels)
    assert command([root / "run"], root) == expected


@pytest.mark.parametrize("kind", ["streamed", "ports", "real"])
def test_sketches_of_every_kind_of_network(kind: str, folder: Path, tmp_path: Path) -> None:
    """Are C++ without a warning, with the library's headers."""
    need_tools("g++")
    root = put_files(tmp_path, package("arduino", network(kind, folder))) / "arduino" / kind
    core = STAND_INS / "arduino" / "tinyml" / "arm" / "cores" / "mps2"
    flags = ("-std=gnu++11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsyntax-only", "-x", "c++")
    sketch = root / "examples" / f"{kind}_serial" / f"{kind}_serial.ino"
    command(["g++", *flags, "-I", core, "-I", root / "src", "-include", "Arduino.h", sketch], root)


@pytest.mark.parametrize("way", LAYOUTS)
def test_a_package_is_complete_and_the_same_each_time(way: str, person: Compilation, tmp_path: Path) -> None:
    files = package(way, person)
    assert files == package(way, person)
    assert all(path.startswith(f"{way}/person/") for path in files)
    names = {Path(path).name for path in files}
    assert {"person.h", "person.c", "app_person.h", "app_person.c", "README.md"} <= names
    for path, content in files.items():
        text = content.decode("ascii")
        assert "NAME" not in path
        assert text.endswith("\n") and "\t\n" not in text and " \n" not in text, path
        assert str(tmp_path.parent) not in text and "/work" not in text
        if path.endswith((".c", ".h")):
            own = re.findall(r'#include "([^"]+)"', text)
            assert set(own) <= names, path


def test_the_readme_states_what_the_network_takes(person: Compilation) -> None:
    bundle = need(person.bundle)
    for way in LAYOUTS:
        text = package(way, person)[f"{way}/person/README.md"].decode()
        assert f"| RAM | {bundle.plan.peak_bytes:,} bytes" in text
        assert f"{bundle.weights_bytes + bundle.parameters_bytes:,} bytes of flash" in text
        assert "person_from_rgb565" in text and "PERSON_STORED" in text and "TINYML_ARENA_SECTION" in text
        assert "UNCALIBRATED" not in text


def test_the_arduino_library_is_one_by_the_specification(person: Compilation, tmp_path: Path) -> None:
    root = put_files(tmp_path, package("arduino", person)) / "arduino" / "person"
    lines = (root / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    assert len(properties) == len(lines)
    required = ("name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures")
    assert all(properties[name] for name in required)
    assert re.fullmatch(r"[A-Za-z0-9][\w .-]{0,62}", properties["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", properties["version"])
    assert properties["category"] in CATEGORIES
    assert properties["dot_a_linkage"] == "true"
    assert all((root / "src" / header).is_file() for header in properties["includes"].split(","))
    for sketch in root.rglob("*.ino"):
        assert sketch.parent.name == sketch.stem and sketch.parent.parent == root / "examples"


def test_the_zephyr_module_is_one_by_its_schema(person: Compilation, tmp_path: Path) -> None:
    """And every setting of the sample is one that its Kconfig, or Zephyr's, has."""
    pykwalify = pytest.importorskip("pykwalify.core")
    yaml = pytest.importorskip("ruamel.yaml").YAML(typ="safe")
    kconfiglib = pytest.importorskip("kconfiglib")
    root = put_files(tmp_path, package("zephyr", person)) / "zephyr" / "person"
    module = yaml.load(root / "zephyr" / "module.yml")
    pykwalify.Core(source_data=module, schema_data=yaml.load(MODULE_SCHEMA)).validate()
    assert (root / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    for folder in module["samples"]:
        assert list((root / folder).rglob("sample.yaml"))

    (tmp_path / "Kconfig").write_text(
        f'source "{root / module["build"]["kconfig"]}"\nconfig MAIN_STACK_SIZE\n\tint\n\tdefault 1024\n\tprompt "x"\n'
        'config STDOUT_CONSOLE\n\tbool "x"\n'
    )
    settings = kconfiglib.Kconfig(str(tmp_path / "Kconfig"), warn_to_stderr=False)
    settings.load_config(str(root / "samples" / "person" / "prj.conf"))
    assert settings.warnings == []
    assert settings.syms["TINYML_PERSON"].str_value == "y"
    assert settings.syms["TINYML_PERSON_ARENA_SECTION"].str_value == ""


def test_two_modules_in_one_image(person: Compilation, folder: Path, tmp_path: Path) -> None:
    """Zephyr links whole libraries: a kernel that both have would be there twice."""
    need_tools("cmake", "ninja", "gcc")
    other = network("streamed", folder)
    shared = set(need(person.bundle).sources) & set(need(other.bundle).sources)
    assert shared
    put_files(tmp_path, {**package("zephyr", person), **package("zephyr", other)})
    (tmp_path / "more.conf").write_text('CONFIG_TINYML_STREAMED=y\nCONFIG_TINYML_STREAMED_ARENA_SECTION=".streamed"\n')
    sample = tmp_path / "zephyr" / "person" / "samples" / "person"
    extra = [
        f"-DEXTRA_ZEPHYR_MODULES={tmp_path / 'zephyr' / 'streamed'}",
        f"-DEXTRA_CONF_FILE={tmp_path / 'more.conf'}",
    ]
    command(["cmake", "-S", sample, "-B", "build", f"-DZephyr_DIR={STAND_INS / 'zephyr'}", *extra], tmp_path)
    command(["cmake", "--build", "build"], tmp_path)
    expected = example_text("person", scores(graph_of(person), [stored(person, example_frame(tmp_path))]))
    assert command([tmp_path / "build" / "app"], tmp_path) == expected
    sections = command(["readelf", "-SW", "build/app"], tmp_path)
    assert re.search(rf" \.streamed +\w+ +\w+ \w+ {need(other.bundle).plan.peak_bytes:06x} ", sections)


def test_an_uncalibrated_network_says_so(folder: Path) -> None:
    done = compiled(several_ports(folder / "vague.onnx"), folder)
    assert "**UNCALIBRATED" in package("cmake", done)["cmake/vague/README.md"].decode()


def test_a_way_for_other_cores_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = several_ports(tmp_path / "ports.onnx")
    assert main(["build", "--emit", "esp-idf", "-o", str(tmp_path / "out"), str(model)]) == 2
    assert "the way esp-idf is not for cortex-m7, the core of st_nucleo_h743zi" in (printed := capsys.readouterr().err)
    assert "boards: esp32, esp32c3, esp32s3" in printed
    assert main(["build", "--emit", "stm32cube", "--board", "esp32", "-o", str(tmp_path / "out"), str(model)]) == 2
    assert not (tmp_path / "out").exists()
