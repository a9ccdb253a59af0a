"""Fixtures of the build's tests."""

import pytest
from toy_network import toy_bundle

from tinyml.emit.bundle import SourceBundle


@pytest.fixture(scope="session")
def bundle() -> SourceBundle:
    return toy_bundle()
