"""The emitted C on this machine."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_network import expected, toy_bundle

from tinyml.build.host import HostModel, build_host_library
from tinyml.emit.bundle import SourceBundle
from tinyml.errors import ToolError


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HostModel:
    return HostModel(build_host_library(toy_bundle(), tmp_path_factory.mktemp("host"), trace=True))


def test_it_says_what_it_is(model: HostModel) -> None:
    assert (model.name, model.sha256) == ("toy", "0" * 56 + "deadbeef")
    assert (model.arena_bytes, model.input_bytes, model.output_bytes) == ((16,), (4,), (8,))
    assert not model.input_preserved


@settings(deadline=None)
@given(st.binary(min_size=4, max_size=4))
def test_outputs_and_every_layer(model: HostModel, data: bytes) -> None:
    hidden, out = expected(data)
    assert model.run([data]) == [out]
    outputs, values = model.run_traced([data], toy_bundle().layers, ["arena"])
    assert outputs == [out]
    assert values == ({"hidden": hidden}, {"out": out})


def test_wrong_inputs(model: HostModel) -> None:
    for inputs in ([], [b"123"], [b"1234", b"1234"]):
        with pytest.raises(ValueError, match=r"toy takes inputs of \(4,\) bytes"):
            model.run(inputs)


def test_layers_of_another_model(model: HostModel) -> None:
    with pytest.raises(ValueError, match=r"other layers than were named: \[1\]"):
        model.run_traced([bytes(4)], toy_bundle().layers[:1], ["arena"])


def test_a_library_without_trace(bundle: SourceBundle, tmp_path: Path) -> None:
    model = HostModel(build_host_library(bundle, tmp_path, trace=False))
    assert model.run([bytes(4)]) == [expected(bytes(4))[1]]
    with pytest.raises(ValueError, match="built without trace"):
        model.run_traced([bytes(4)], bundle.layers, ["arena"])


def test_every_run_starts_on_poison(bundle: SourceBundle, tmp_path: Path) -> None:
    lazy = bundle.files["toy.c"].replace("out[row] = sum;", "out[row] = sum + (out[row] != -1515870811);")
    model = HostModel(build_host_library(replace(bundle, files={**bundle.files, "toy.c": lazy}), tmp_path, trace=False))
    # 0xA5A5A5A5 is -1515870811: the poison is there before the first write, on every run.
    assert model.run([bytes(4)]) == model.run([bytes(4)]) == [expected(bytes(4))[1]]


def test_an_adapter_that_disagrees_with_the_header_is_no_program(bundle: SourceBundle, tmp_path: Path) -> None:
    header = bundle.files["toy.h"].replace("TOY_ARENA_COUNT 1", "TOY_ARENA_COUNT 2")
    with pytest.raises(ToolError, match="another number of arenas than the plan"):
        build_host_library(replace(bundle, files={**bundle.files, "toy.h": header}), tmp_path, trace=False)
