"""No label lies over another, over a point, or outside."""

from hypothesis import given
from hypothesis import strategies as st

from tinyml.report.labels import CHARACTER, LINE, Box, fitted, place

INSIDE = Box(0, 0, 900, 320)
points = st.lists(st.tuples(st.floats(20, 880), st.floats(20, 300)), min_size=1, max_size=14, unique=True)


@given(points)
def test_labels_keep_apart(at: list[tuple[float, float]]) -> None:
    texts = [f"{i}: {'label' * (1 + i % 3)}" for i in range(len(at))]
    boxes = []
    for label, text in zip(place(at, texts, INSIDE), texts, strict=True):
        if label is not None:
            assert label.text == text
            boxes.append(Box(label.x, label.y + 4 - LINE, label.x + CHARACTER * len(text), label.y + 4))
    for i, box in enumerate(boxes):
        assert box.left >= 0 and box.right <= 900 and box.top >= 0 and box.bottom <= 320
        assert not any(box.meets(other) for other in boxes[:i])
        assert not any(box.holds(x, y) for x, y in at)


def test_few_points_all_have_labels() -> None:
    at = [(100.0 + 12 * i, 200.0 - 9 * i) for i in range(8)]
    assert all(place(at, ["26.5 KiB"] * 8, INSIDE))


def test_text_that_does_not_fit_is_cut() -> None:
    assert fitted("activation", 10 * CHARACTER) == "activation"
    assert fitted("activation", 7.5 * CHARACTER) == "activa…"
    assert fitted("activation", 4 * CHARACTER) is None
