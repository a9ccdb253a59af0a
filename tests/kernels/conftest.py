"""Machines that kernels are tested on."""

from collections.abc import Iterator

import pytest
from kernel_host import Host, build


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    # Workers of pytest-xdist share the folder above their own.
    machine = Host(build(tmp_path_factory.getbasetemp().parent))
    yield machine
    machine.close()
