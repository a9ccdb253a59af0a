"""The example of docs/contract.md compiles, without a warning, and is right."""

import re
from pathlib import Path

import numpy as np
from emitted_c import STRICT, calibration, compiled, graph_of, host_compilers, interpreted, noise, run_program, write

from tinyml import zoo
from tinyml.build.toolchain import run_tool
from tinyml.pipeline import need

CONTRACT = Path(__file__).resolve().parent.parent.parent / "docs" / "contract.md"


def test_example(tmp_path: Path) -> None:
    model = zoo.save("ds_cnn", tmp_path / "ds_cnn.onnx")
    done = compiled(model, tmp_path, name="person", calibration=calibration(model))
    example, camera = re.findall(r"```c\n(.*?)```", CONTRACT.read_text(encoding="utf-8"), re.DOTALL)
    source = write(need(done.bundle), tmp_path / "src")
    (source / "user.c").write_text(
        f"#include <stdio.h>\n{example}\n{camera}\n"
        "int main(void)\n{\n"
        "    person_t camera = {0};\n    if (look(&camera, 0) != 0) return 2;\n"
        "    static PERSON_INPUT_TYPE image[PERSON_INPUT_BYTES];\n"
        "    if (fread(image, 1, sizeof image, stdin) != sizeof image) return 1;\n"
        '    printf("%d", (int)classify(image));\n'
        "    return 0;\n}\n"
    )
    program = tmp_path / "user"
    cc = next(iter(host_compilers().values()))
    run_tool([*cc, *STRICT, *need(done.bundle).sources, "user.c", "-o", str(program)], source)
    for seed in range(3):
        sample = noise(graph_of(done), seed)
        scores = np.frombuffer(interpreted(graph_of(done), sample), np.int8)
        assert int(run_program(program, sample[0], "")) == int(scores.argmax())


def test_macros_are_those_of_the_header(tmp_path: Path) -> None:
    """Every macro of the headers is in the document, and the other way round."""
    model = zoo.save("ds_cnn", tmp_path / "ds_cnn.onnx")
    done = compiled(model, tmp_path, name="person", calibration=calibration(model), labels=tuple("abcdefghijkl"))
    headers = "".join(need(done.bundle).files[path] for path in ("person.h", "person_pixels.h"))
    defined = macros(headers)
    text = CONTRACT.read_text(encoding="utf-8")
    told = set(re.findall(r"\bPERSON_\w+", text))
    told |= {f"PERSON_{port}{suffix}" for port in ("INPUT", "OUTPUT") for suffix in re.findall(r"`…(_\w+)`", text)}
    fed = compiled(model, tmp_path, name="person", calibration=calibration(model), stream_input=True)
    defined |= macros(need(fed.bundle).files["person.h"])
    assert told - {"PERSON_ARENA_1_BYTES", "PERSON_INPUT_0_BYTES"} == defined


def macros(header: str) -> set[str]:
    return set(re.findall(r"^#define (PERSON_\w+)[ (]", header, re.MULTILINE))
