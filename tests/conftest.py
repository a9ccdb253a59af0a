"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real trained models and labelled pictures that stands beside a developer's checkout."""
    folder = Path(os.environ.get("TINYML_SHARED", ROOT.parent / "shared"))
    if not (folder / "models").is_dir():
        pytest.skip(f"real trained models are not here: no {folder}/models (set TINYML_SHARED)")
    return folder
