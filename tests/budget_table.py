"""The table of what networks cost, below tests/budgets/: reading, measuring, writing."""

import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tinyml.build.toolchain import ARM_GCC, ZIG, find_toolchain
from tinyml.cli.main import main
from tinyml.errors import ToolError
from tinyml.pipeline import Options, compile_model, need
from tinyml.schedule.model import Objective
from tinyml.targets import load_board

TABLE = Path(__file__).with_name("budgets") / "costs.toml"
BOARD = "stm32h7"
ZOO = ("autoencoder", "ds_cnn", "resnet8", "mobilenet_v1", "mcunet")
REAL = (
    "mlperf_tiny/ad01_int8", "mlperf_tiny/kws_dscnn_int8", "mlperf_tiny/vww_96_int8", "mlperf_tiny/ic_resnet8_int8",
    "mlperf_tiny/ic_resnet8_int8 --weights-growth 50",
    "wake_vision/mcunet-vww0", "wake_vision/mcunet-vww1", "wake_vision/mcunet-vww2", "tflite_micro/person_detect",
)  # fmt: skip
MAY_RISE = 1.01
_HEAD = f"""# What networks cost on {BOARD}: instructions of an inference (counted), its cycles (modelled), and bytes (exact) of
# the arena, of the model's code with its constants, and of weights with per-channel parameters. Tests fail where one rises
# by more than 1 %. Written by `python benchmarks/budgets.py --write`; a rise must be explained where it is committed.
# Networks of the zoo have seeded weights and are built with ziglang, the real ones with arm-none-eabi-gcc.
"""


@dataclass(frozen=True)
class Budget:
    """Bytes, apart from instructions and cycles. compiler: the figures are those of its code."""

    compiler: str
    instructions: int
    arena: int
    code: int
    weights: int
    cycles: int | None = None  # where the core has a model

    def figures(self) -> dict[str, int]:
        return {key: value for key, value in asdict(self).items() if isinstance(value, int)}

    def risen(self, now: "Budget") -> list[str]:
        """What costs more than it may, in words."""
        figures = now.figures()
        return [
            f"{key}: {figures[key]:,}, in the table {old:,} ({100 * (figures[key] / old - 1):+.2f} %)"
            for key, old in self.figures().items()
            if figures[key] > old * MAY_RISE
        ]


def read_table(path: Path = TABLE) -> Mapping[str, Budget]:
    return {name: Budget(**row) for name, row in tomllib.loads(path.read_text(encoding="utf-8")).items()}


def write_table(table: Mapping[str, Budget], path: Path = TABLE, head: str = _HEAD) -> None:
    path.write_text("\n".join([head, *_rows(table)]), encoding="utf-8", newline="\n")


def _rows(table: Mapping[str, Budget]) -> Iterator[str]:
    for name, budget in sorted(table.items()):
        yield f'["{name}"]\ncompiler = "{budget.compiler}"'
        yield from (f"{key} = {value:_}" for key, value in budget.figures().items())
        yield ""


def real_model(name: str, models: Path) -> Path:
    """The file of a network of REAL, whose name may end in a flag."""
    return models / f"{name.partition(' ')[0]}.tflite"


def measure(name: str, model: Path) -> Budget:
    """A network of ZOO (`model` is its ONNX file) or of REAL.

    Raises:
        ToolError: the compiler is not installed.
    """
    toolchain = find_toolchain(compiler_of(name))
    growth = name.partition(" --weights-growth ")[2]
    with tempfile.TemporaryDirectory() as folder:
        done = compile_model(
            Options(
                model,
                load_board(BOARD),
                Path(folder),
                toolchain=toolchain.name,
                objective=Objective.LATENCY,
                weights_growth=int(growth) / 100 if growth else None,
            )
        )
    image, profile = need(done.image), need(done.profile)
    return Budget(
        compiler=f"{toolchain.name} {toolchain.version}",
        instructions=profile.instructions,
        cycles=profile.cycles,
        arena=need(done.plan).peak_bytes,
        code=image.sizes.model_code_bytes,
        weights=image.sizes.weights_bytes,
    )


def compiler_of(name: str) -> str:
    return ZIG if name in ZOO else ARM_GCC


def installed_compiler(name: str) -> str | None:
    """With its version; None where it is not there."""
    try:
        toolchain = find_toolchain(compiler_of(name))
    except ToolError:
        return None
    return f"{toolchain.name} {toolchain.version}"


def zoo_model(name: str, folder: Path) -> Path:
    path = folder / f"{name}.onnx"
    assert main(["zoo", name, "-o", str(path), "-q"]) == 0
    return path
