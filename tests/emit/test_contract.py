"""The contract of the emitted C (docs/contract.md), seen from a program that includes the header."""

import hashlib
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from emitted_c import (
    STRICT,
    build_program,
    calibration,
    compiled,
    compiler,
    emitted,
    graph_of,
    host_compilers,
    infer,
    interpreted,
    macros,
    noise,
    run_program,
    write,
    zoo_network,
)
from small_models import one_node, relu_network, several_ports

from tinyml import __version__, zoo
from tinyml.build.toolchain import run_tool
from tinyml.emit.c.text import c_float
from tinyml.errors import ToolError
from tinyml.ir.builder import GraphBuilder
from tinyml.ir.dtypes import DType
from tinyml.ir.graph import Graph
from tinyml.ir.interpreter import run
from tinyml.ir.ops import Op, SvdfAttrs
from tinyml.ir.quant import QuantParams
from tinyml.pipeline import need

LABELS = tuple(f"word {i}" for i in range(12))  # of DS-CNN's classes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("networks")


def test_macros_of_the_header(folder: Path) -> None:
    """DS-CNN takes 49 x 10 coefficients and tells 12 classes by a softmax, whose scale TFLite fixes."""
    done = zoo_network("ds_cnn", folder)
    bundle = need(done.bundle)
    found = macros(bundle.files["ds_cnn.h"])
    (input_value,) = (graph_of(done).value(name) for name in graph_of(done).inputs)
    assert input_value.quant is not None
    expected = {
        "ARENA_COUNT": "1",
        "ARENA_BYTES": str(bundle.plan.peak_bytes),
        "INPUT_BYTES": "490",
        "INPUT_TYPE": "int8_t",
        "INPUT_HEIGHT": "49",
        "INPUT_WIDTH": "10",
        "INPUT_CHANNELS": "1",
        "INPUT_SCALE": c_float(input_value.quant.scale[0]),
        "INPUT_ZERO_POINT": f"({input_value.quant.zero_point[0]})",
        "INPUT_COUNT": "1",
        "OUTPUT_BYTES": "12",
        "OUTPUT_TYPE": "int8_t",
        "OUTPUT_HEIGHT": "1",
        "OUTPUT_WIDTH": "1",
        "OUTPUT_CHANNELS": "12",
        "OUTPUT_SCALE": "0.00390625f",
        "OUTPUT_ZERO_POINT": "(-128)",
        "OUTPUT_COUNT": "1",
        "INPUT_PRESERVED": "0",
        "MODEL_SHA256": f'"{hashlib.sha256((folder / "ds_cnn.onnx").read_bytes()).hexdigest()}"',
        "VERSION": f'"{__version__}"',
    }
    align = int(found.pop("DS_CNN_ARENA_ALIGN"))
    assert align in (1, 2, 4, 8, 16, 32)
    assert found == {f"DS_CNN_{key}": value for key, value in expected.items()}


def test_float_networks_have_no_scale(folder: Path) -> None:
    found = macros(need(zoo_network("autoencoder", folder, "float32").bundle).files["autoencoder.h"])
    assert found["AUTOENCODER_INPUT_TYPE"] == found["AUTOENCODER_OUTPUT_TYPE"] == "float"
    assert found["AUTOENCODER_INPUT_BYTES"] == found["AUTOENCODER_OUTPUT_BYTES"] == "2560"
    assert not [name for name in found if "SCALE" in name or "ZERO_POINT" in name]


@pytest.mark.parametrize("command", ["g++", "clang++", "zig"])
def test_header_in_cpp(folder: Path, tmp_path: Path, command: str) -> None:
    """Included twice, from C++, with every warning; and the functions have C's linkage."""
    bundle = need(zoo_network("ds_cnn", folder).bundle)
    source = write(bundle, tmp_path)
    (source / "user.cpp").write_text(
        '#include "ds_cnn.h"\n#include "ds_cnn.h"\n'
        "alignas(DS_CNN_ARENA_ALIGN) static unsigned char arena[DS_CNN_ARENA_BYTES];\n"
        "int main() {\n"
        "    ds_cnn_t net;\n"
        "    ds_cnn_init(&net, arena);\n"
        "    DS_CNN_INPUT_TYPE *in = static_cast<DS_CNN_INPUT_TYPE *>(ds_cnn_input(&net));\n"
        "    for (int i = 0; i < DS_CNN_INPUT_BYTES; i++) { in[i] = DS_CNN_INPUT_ZERO_POINT; }\n"
        "    ds_cnn_run(&net);\n"
        "    const DS_CNN_OUTPUT_TYPE *out = static_cast<const DS_CNN_OUTPUT_TYPE *>(ds_cnn_output(&net));\n"
        "    const float real = DS_CNN_OUTPUT_SCALE * static_cast<float>(out[0] - DS_CNN_OUTPUT_ZERO_POINT);\n"
        "    return real >= 0.0f && DS_CNN_ARENA_COUNT == 1 ? 0 : 1;\n"
        "}\n"
    )
    cc = compiler({"g++": "gcc", "clang++": "clang", "zig": "zig"}[command])
    cxx = (*cc[:-1], "c++") if command == "zig" else (command,)
    run_tool(
        [*cxx, "-std=c++11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-c", "user.cpp", "-o", "user.o"], source
    )
    if command == "zig":
        return  # it would compile its C++ library, which takes minutes
    objects = []
    for path in bundle.sources:
        objects.append(f"{path}.o")
        run_tool([*cc, "-std=c99", "-O1", "-c", path, "-o", objects[-1]], source)
    run_tool([*cxx, "user.o", *objects, "-o", "user"], source)
    run_tool([str(source / "user")], source)


@pytest.mark.parametrize("name", ["ds_cnn", "resnet8", "autoencoder"])
def test_same_bytes_as_the_interpreter(folder: Path, tmp_path: Path, name: str) -> None:
    done = zoo_network(name, folder)
    samples = [noise(graph_of(done), seed) for seed in range(3)]
    program = build_program(need(done.bundle), tmp_path)
    assert infer(program, samples) == [interpreted(graph_of(done), sample) for sample in samples]


def test_output_stays_until_the_next_input(folder: Path, tmp_path: Path) -> None:
    """Runs follow each other without another init, and an output may be read as often as one likes."""
    done = zoo_network("ds_cnn", folder)
    samples = [noise(graph_of(done), seed) for seed in range(2)]
    first, second = (interpreted(graph_of(done), sample) for sample in samples)
    given = b"".join(samples[0] + samples[1])
    assert run_program(build_program(need(done.bundle), tmp_path), given, "pifroofro") == first + first + second


def test_keep_input(folder: Path, tmp_path: Path) -> None:
    """With --keep-input a run leaves its input alone, and can be repeated; without, the memory is used again."""
    kept, used = zoo_network("ds_cnn", folder, keep_input=True), zoo_network("ds_cnn", folder)
    (sample,) = noise(graph_of(kept), 0)
    answer = interpreted(graph_of(kept), [sample])
    assert macros(need(kept.bundle).files["ds_cnn.h"])["DS_CNN_INPUT_PRESERVED"] == "1"
    assert (
        run_program(build_program(need(kept.bundle), tmp_path / "kept"), sample, "pifrokrok") == (answer + sample) * 2
    )
    overwriting = build_program(need(used.bundle), tmp_path / "used")
    assert run_program(overwriting, sample, "pifk") == sample
    assert run_program(overwriting, sample, "pifrok") != answer + sample


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_several_inputs_and_outputs(tmp_path: Path, precision: str) -> None:
    model = several_ports(tmp_path / "ports.onnx")
    data = calibration(model) if precision == "int8" else None
    done = compiled(model, tmp_path, precision=precision, calibration=data, keep_input=True)
    bundle = need(done.bundle)
    size = 1 if precision == "int8" else 4
    found = macros(bundle.files["ports.h"])
    names = ("INPUT_0", "INPUT_1", "OUTPUT_0", "OUTPUT_1")
    assert [int(found[f"PORTS_{n}_BYTES"]) for n in names] == [192 * size, 6 * size, 3 * size, 3 * size]
    assert (found["PORTS_INPUT_COUNT"], found["PORTS_OUTPUT_COUNT"]) == ("2", "2")
    sample = noise(graph_of(done), 0)
    written = run_program(build_program(bundle, tmp_path), b"".join(sample), "pifrok")
    outputs, inputs = written[: 6 * size], written[6 * size :]
    assert inputs == b"".join(sample)
    expected = interpreted(graph_of(done), sample)
    if precision == "int8":
        assert outputs == expected
    else:
        np.testing.assert_allclose(np.frombuffer(outputs, np.float32), np.frombuffer(expected, np.float32), rtol=1e-5)


def svdf_network() -> Graph:
    """A layer that remembers its last five inputs."""
    rng = np.random.default_rng(0)
    b = GraphBuilder("svdf")
    x = b.input("x", (1, 4), DType.INT8, QuantParams.per_tensor(2.0**-5, 3))
    feature = b.constant("feature", rng.integers(-127, 128, (6, 4)).astype(np.int8), QuantParams.per_tensor(2.0**-6, 0))
    time_quant, state_quant = (QuantParams.per_tensor(2.0**e, 0, DType.INT16) for e in (-12, -8))
    time = b.constant("time", rng.integers(-2000, 2000, (6, 5)).astype(np.int16), time_quant)
    state = b.state("state", (1, 30), DType.INT16, state_quant)
    out = QuantParams.per_tensor(2.0**-4, -5)
    y, written = b.nodes(Op.SVDF, [x, feature, time, None, state], SvdfAttrs(2), quants=[out, state_quant])
    b.update_state(state, written)
    return b.build([y])


def test_init_resets_states(tmp_path: Path) -> None:
    """The state carries over from run to run, and `init` sets it back to zero whatever the arena held."""
    graph = svdf_network()
    (sample,) = noise(graph, 0)
    states, expected = None, []
    x = np.frombuffer(sample, np.int8).reshape(1, 4)
    for _ in range(3):
        result = run(graph, {"x": x}, states=states)
        states = result.states
        expected.append(result.outputs[graph.outputs[0]].tobytes())
    assert expected[0] != expected[1]
    program = build_program(emitted(graph, "svdf"), tmp_path)
    assert run_program(program, sample * 5, "pifrofrofropifroifro") == b"".join([*expected, expected[0], expected[0]])


def test_labels(folder: Path, tmp_path: Path) -> None:
    """Any text, quotes and trigraphs included; out of range there is none."""
    labels = ('say "no"', "back\\slash", "Zürich what??/", "%d")
    model = relu_network(tmp_path / "sorter.onnx")
    bundle = need(compiled(model, tmp_path, precision="float32", labels=labels).bundle)
    assert macros(bundle.files["sorter.h"])["SORTER_LABEL_COUNT"] == "4"
    source = write(bundle, tmp_path / "src")
    (source / "user.c").write_text(
        '#include <stdio.h>\n#include "sorter.h"\n'
        "int main(void)\n{\n"
        "    for (int32_t i = -1; i <= SORTER_LABEL_COUNT; i++) {\n"
        '        const char *label = sorter_label(i); puts(label ? label : "(none)");\n'
        "    }\n    return 0;\n}\n"
    )
    program = tmp_path / "user"
    cc = next(iter(host_compilers().values()))
    run_tool([*cc, *STRICT, "-trigraphs", *bundle.sources, "user.c", "-o", str(program)], source)
    printed = subprocess.run([str(program)], capture_output=True, check=True).stdout.decode()
    assert printed.splitlines() == ["(none)", *labels, "(none)"]


def test_uncalibrated_header_warns(tmp_path: Path) -> None:
    """Who includes it is told at each compilation, unless they say that they know."""
    model = relu_network(tmp_path / "raw.onnx")
    bundle = need(compiled(model, tmp_path).bundle)
    source = write(bundle, tmp_path / "src")
    (source / "user.c").write_text('#include "raw.h"\n')
    for cc in host_compilers().values():
        with pytest.raises(ToolError, match="UNCALIBRATED: sizes and timing valid, outputs meaningless"):
            run_tool([*cc, "-std=c99", "-Werror", "-c", "user.c", "-o", "user.o"], source)
        run_tool([*cc, *STRICT, "-DTINYML_ALLOW_UNCALIBRATED", "-c", "user.c", "-o", "user.o"], source)
    calibrated = need(compiled(model, tmp_path, calibration=calibration(model)).bundle)
    assert "#warning" not in calibrated.files["raw.h"]


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("Über-Net v2.1", "ber_net_v2_1"),
        ("3d", "model_3d"),
        ("double", "model_double"),
        ("int8", "model_int8"),  # int8_t is taken
        ("size", "model_size"),  # and so is size_t
        ("in", "in"),
        ("net", "net"),
        ("arena", "arena"),
        ("layer_00", "layer_00"),
    ],
)
def test_names(tmp_path: Path, name: str, identifier: str) -> None:
    """Whatever the model is called, and whatever its C is full of, it compiles under that name."""
    model = relu_network(tmp_path / f"{name}.onnx")
    bundle = need(compiled(model, tmp_path, precision="float32").bundle)
    assert bundle.name == identifier and f"{identifier}.h" in bundle.files
    sample = np.array([-1, 2, -3, 4], np.float32)
    program = build_program(bundle, tmp_path, (*STRICT[1:], "-O0"))
    assert infer(program, [[sample.tobytes()]]) == [np.maximum(sample, 0).tobytes()]


def test_hostile_names_inside_the_model(tmp_path: Path) -> None:
    """Names of nodes and tensors end no comment, and start no directive."""
    hostile = "a */ #error /* ??/\n#error é\\"
    model = relu_network(tmp_path / "m.onnx", x=hostile + "x", y=hostile + "y", node=hostile + "n")
    bundle = need(compiled(model, tmp_path, precision="float32").bundle)
    assert all(text.isascii() for text in bundle.files.values())
    program = build_program(bundle, tmp_path, (*STRICT[1:], "-trigraphs"))
    assert infer(program, [[bytes(16)]]) == [bytes(16)]


def test_same_bytes_wherever_and_whenever_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two emissions from two folders are equal, and hold no path, date or name of this machine."""
    files = []
    for place in ("here", "there/and/everywhere"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        monkeypatch.chdir(folder)
        model = zoo.save("ds_cnn", folder / "ds_cnn.onnx")
        files.append(
            need(compiled(model, folder, calibration=calibration(model), labels=tuple("abcdefghijkl")).bundle).files
        )
    assert files[0] == files[1] and list(files[0]) == list(files[1])
    text = "\n".join(files[0].values())
    assert str(tmp_path) not in text and str(Path.home()) not in text
    assert not re.search(r"\b20[2-9]\d-\d\d|\b\d\d:\d\d:\d\d\b|__DATE__|__TIME__|__FILE__", text)


def test_weights_go_where_the_user_says(folder: Path, tmp_path: Path) -> None:
    """TINYML_WEIGHTS_SECTION places all constants of the weights file, and nothing else."""
    elffile = pytest.importorskip("elftools.elf.elffile")
    bundle = need(zoo_network("ds_cnn", folder).bundle)
    source = write(bundle, tmp_path)
    placed = '-DTINYML_WEIGHTS_SECTION=__attribute__((section(".far_flash")))'
    target = ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7")
    run_tool([*compiler("zig"), *target, *STRICT, placed, "-c", "ds_cnn_weights.c", "-o", "w.o"], source)
    with (source / "w.o").open("rb") as file:
        elf = elffile.ELFFile(file)
        sizes = {section.name: section["sh_size"] for section in elf.iter_sections() if section["sh_flags"] & 2}
        constants = bundle.weights_bytes + bundle.parameters_bytes
        assert constants <= sizes.pop(".far_flash") < constants + 4 * 60  # padded for alignment
        assert sum(sizes.values()) == 0


@pytest.mark.parametrize(
    ("op", "attributes", "axes"), [("Identity", {}, (0, 1, 2, 3)), ("Transpose", {"perm": (0, 2, 3, 1)}, (0, 2, 3, 1))]
)
def test_nothing_to_compute(
    tmp_path: Path, op: str, attributes: dict[str, tuple[int, ...]], axes: tuple[int, ...]
) -> None:
    """A network that only renames axes has no kernels; the output is the input."""
    model = one_node(tmp_path / "m.onnx", op, (1, 3, 4, 5), tuple((1, 3, 4, 5)[i] for i in axes), **attributes)
    bundle = need(compiled(model, tmp_path, precision="float32").bundle)
    assert not bundle.layers
    sample = np.arange(60, dtype=np.float32).tobytes()
    assert infer(build_program(bundle, tmp_path, STRICT[1:]), [[sample]]) == [sample]


def test_header_tells_the_order_of_axes(folder: Path, tmp_path: Path) -> None:
    """ONNX has channels first, the C has them last, and its reader must know."""
    header = need(zoo_network("ds_cnn", folder).bundle).files["ds_cnn.h"]
    assert "/* input input: 1x49x10x1, which are axes 0, 2, 3, 1 of the model file's 1x1x49x10 */" in header
    assert "/* output output: 1x12 */" in header


def test_lines_fit_a_screen(folder: Path) -> None:
    for name in ("ds_cnn", "resnet8"):
        files = need(zoo_network(name, folder).bundle).files
        for path in (f"{name}.h", f"{name}.c", f"{name}_weights.c"):
            assert max(map(len, files[path].splitlines())) <= 120, path
