"""No network costs more on a Cortex-M55 with Helium than the table says."""

import shutil
from pathlib import Path

import pytest
from budget_table import read_table
from helium_cost import BARS, TABLE, measure

from tinyml.build.toolchain import ARM_GCC
from tinyml.device.qemu import PROGRAM


@pytest.mark.qemu
@pytest.mark.parametrize("name", [name for name in BARS if name != "wake_vision/mcunet-vww1"])
def test_helium_networks(name: str, shared: Path) -> None:
    for program in (PROGRAM, ARM_GCC):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on the PATH")
    budget = read_table(TABLE)[name]
    now = measure(shared / "models", name, ARM_GCC)
    if now.compiler != budget.compiler:
        pytest.skip(f"the figures of {name} are those of {budget.compiler}, installed is {now.compiler}")
    risen = budget.risen(now)
    assert not risen, f"{name} costs more:\n  " + "\n  ".join(risen) + "\n  python benchmarks/helium.py --write"


def test_the_helium_table_is_whole_and_meets_the_bars() -> None:
    table = read_table(TABLE)
    assert sorted(table) == sorted(BARS)
    assert all(bar is None or table[name].instructions <= bar * 1e6 for name, bar in BARS.items())
