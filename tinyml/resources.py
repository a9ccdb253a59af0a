"""Finds the files that are not Python: C sources, templates, boards and profiles."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource_dir(name: str) -> Path:
    """The folder `codegen`, `firmware`, `boards` or `profiles`, of an installed wheel or of a checkout.

    Raises:
        FileNotFoundError: the installation is broken (a bug, not a user's mistake).
    """
    for root in (_PACKAGE / "_resources", _PACKAGE.parent):
        folder = root / name
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"resource folder {name!r} is neither in {_PACKAGE / '_resources'} nor in {_PACKAGE.parent}"
    )
