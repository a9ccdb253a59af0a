"""What is said about modelled cycles and silicon, against the published cases that it comes from."""

from pathlib import Path
from types import ModuleType

import pytest

from tinyml.profile.known_error import NOT_PRICED, PRICED

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model_error(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import model_error

    return model_error


def test_without_prices(model_error: ModuleType) -> None:
    assert not model_error.stale(NOT_PRICED, model_error.unpriced_ratios())


def test_the_worst_case_with_prices(model_error: ModuleType, shared: Path, tmp_path: Path) -> None:
    """The one that sets the upper end, counted again; the benchmark counts all."""
    case = max((c for c in model_error.CASES if c.board == "stm32f4"), key=lambda c: float(c.measured / c.pipeline))
    waits = model_error.inference(case.model, case.board, tmp_path).waits
    ratio = case.measured / (case.pipeline + waits / 1e6)
    assert not model_error.stale(PRICED, [PRICED.least, ratio])


@pytest.mark.parametrize("file", ["README.md", "docs/emulator.md"])
def test_documents_say_the_same(file: str) -> None:
    text = " ".join((ROOT / file).read_text(encoding="utf-8").split())
    assert f"{PRICED} times" in text and f"up to {NOT_PRICED.most:g} times" in text
