"""Machines that kernels are tested on."""

from collections.abc import Iterator

import pytest
from kernel_host import Host, build

from tinyml.build.toolchain import find_host_toolchain
from tinyml.targets.core import CORES, Isa


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    # Workers of pytest-xdist share the folder above their own.
    machine = Host(build(tmp_path_factory.getbasetemp().parent))
    yield machine
    machine.close()


@pytest.fixture(scope="session")
def host_with_avx2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The kernels for hosts, by AVX2 instead of its fallback, which `host` has."""
    if "-mavx2" not in find_host_toolchain().cflags(CORES["host"]):
        pytest.skip("this machine has no AVX2, or its compiler does not say so")
    machine = Host(build(tmp_path_factory.getbasetemp().parent, Isa.HOST, ("-mavx2",)), Isa.HOST)
    yield machine
    machine.close()
