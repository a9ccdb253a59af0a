"""tinyml: a compiler for neural networks on microcontrollers.

build = tinyml.compile("model.onnx", board="stm32h7", calibration="pictures/")
build.run(x), build.profile(), build.report(), build.save("out")
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyml.api import Build as Build
    from tinyml.api import Outputs as Outputs
    from tinyml.api import compile as compile

__version__ = "0.1.0"

_API = ("Build", "Outputs", "compile")


def __getattr__(name: str) -> object:
    """The API, loaded when it is first used: importing a part of the package does not pay for all of it."""
    if name in _API:
        return getattr(importlib.import_module("tinyml.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_API]
