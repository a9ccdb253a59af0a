"""Verification finds the layer that is wrong, and says so."""

from dataclasses import replace

import pytest

from tinyml import zoo
from tinyml.cli.verify import explain, tracer
from tinyml.pipeline import Compilation, Options, compile_model, need
from tinyml.targets import load_board
from tinyml.verification import random_inputs, verify_layers


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Compilation:
    folder = tmp_path_factory.mktemp("verify")
    model = zoo.save("autoencoder", folder / "autoencoder.onnx")
    return compile_model(Options(model=model, board=load_board("stm32h7"), work_dir=folder), stop_after="emit")


def corrupted(done: Compilation, layer: int) -> Compilation:
    """The same build, but one layer leaves one bit of its output wrong, as a wrong kernel might."""
    bundle = need(done.bundle)
    source = bundle.files[f"{bundle.name}.c"]
    start = source.index(f"{bundle.layers[layer].function}(const")
    end = source.index("\n}\n", start)
    (_, _, offset, size), *_ = bundle.layers[layer].outputs
    wrong = f"{source[:end]}\n    net->arena[{offset + size - 1}] ^= 1;{source[end:]}"
    # A folder of its own: a library that a process has loaded stays loaded under its path.
    options = replace(done.options, work_dir=done.options.work_dir / f"wrong-{layer}")
    files = {**bundle.files, f"{bundle.name}.c": wrong}
    return replace(done, options=options, bundle=replace(bundle, files=files))


def test_all_layers_agree(done: Compilation) -> None:
    samples = [random_inputs(need(done.schedule).graph, seed) for seed in range(3)]
    result = verify_layers(done, "host", tracer(done, "host"), samples)
    assert result.difference is None
    assert result.runs == 3 and result.bytes_compared == 3 * sum(
        o[3] for x in need(done.bundle).layers for o in x.outputs
    )


@pytest.mark.parametrize("layer", [0, 3, 9])
def test_the_first_wrong_layer_is_named(done: Compilation, layer: int) -> None:
    wrong = corrupted(done, layer)
    result = verify_layers(wrong, "host", tracer(wrong, "host"), [random_inputs(need(done.schedule).graph, 0)])
    assert result.difference is not None and result.difference.layer == layer
    text = explain(result)
    assert f"layer {layer:02d} (fully_connected" in text and "host" in text and "expected" in text
