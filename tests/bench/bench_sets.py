"""Sets of pictures that tests draw themselves, in every form that is published."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tinyml.bench.data import GROUPS


def drawn(person: bool, seed: int, size: tuple[int, int] = (72, 64), mode: str = "RGB") -> Image.Image:
    """A bright upright figure with a head on noise, or a flat box lying on it."""
    rng = np.random.default_rng(seed)
    height, width = size[1], size[0]
    pixels = rng.integers(0, 90, (height, width, 3), np.uint8)
    top, left = int(rng.integers(4, height // 4)), int(rng.integers(width // 4, width // 2))
    color = rng.integers(160, 256, 3, np.uint8)
    if person:
        pixels[top + height // 6 :, left : left + width // 6] = color
        y, x = np.mgrid[:height, :width]
        head = (y - top - height // 9) ** 2 + (x - left - width // 12) ** 2 < (height // 9) ** 2
        pixels[head] = color[::-1]
    else:
        pixels[-height // 5 :, width // 8 : -width // 8] = color
    return Image.fromarray(pixels).convert(mode)


def encoded(picture: Image.Image, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format)
    return buffer.getvalue()


def person_folder(folder: Path, count: int, suffix: str = "jpg", start: int = 0) -> Path:
    """`count` pictures of each class, in folders person and no_person."""
    for label, name in enumerate(("no_person", "person")):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            drawn(bool(label), start + 2 * i + label).save(folder / name / f"{i:04d}.{suffix}")
    return folder


def flags(*true: str, unknown: Sequence[str] = ()) -> dict[str, int | None]:
    """All columns of the suite."""
    return {name: None if name in unknown else int(name in true) for name in GROUPS}


def rows() -> list[dict[str, Any]]:
    """One row of each kind that a set may hold: (encoded picture or None, label, columns)."""
    good = [
        (encoded(drawn(True, 1)), 1, flags("near", "predominantly_male", "bright")),
        (encoded(drawn(False, 2)), 0, flags("dark", "person_depiction", "depiction")),
        (encoded(drawn(True, 3, mode="L")), 1, flags("young", "normal_lighting")),
        (encoded(drawn(True, 4, mode="RGBA")), 1, flags("older", unknown=("near", "far"))),
        (encoded(drawn(False, 5, mode="P")), 0, flags("dark")),
        (encoded(drawn(True, 6), "JPEG"), -1, flags("far")),
        (encoded(drawn(False, 7).convert("LA")), 0, flags("bright")),
    ]
    bad = [
        (encoded(drawn(True, 8)), None, flags()),  # unlabelled
        (encoded(drawn(True, 9), "JPEG")[:400], 1, flags("near")),  # cut short
        (b"no picture at all", 0, flags("dark")),
        (b"", 0, flags("dark")),
        (None, 1, flags("near")),
    ]
    return [
        {"filename": f"{i:03d}.img", "image": picture, "person": label, **columns}
        for i, (picture, label, columns) in enumerate([*good, *bad])
    ]


def parquet(path: Path, table: Sequence[dict[str, Any]], *, row_group: int = 4, struct: bool = True) -> Path:
    """A shard as Hugging Face writes it: `image` is a struct of bytes and path."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def image(row: dict[str, Any]) -> Any:
        return {"bytes": row["image"], "path": row["filename"]} if struct and row["image"] is not None else row["image"]

    columns = {name: [row[name] for row in table] for name in table[0] if name != "image"}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())]) if struct else pa.binary()
    columns["image"] = pa.array([image(row) for row in table], kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=row_group)
    return path


def table(path: Path, table: Sequence[dict[str, Any]]) -> Path:
    """A .csv as Wake Vision's, with the pictures that are not None in a folder `images` beside it."""
    (path.parent / "images").mkdir(parents=True, exist_ok=True)
    for row in table:
        if row["image"] is not None:
            (path.parent / "images" / row["filename"]).write_bytes(row["image"])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = [name for name in table[0] if name != "image"]
        writer.writerow(name.replace("_", " ").title() for name in names)
        writer.writerows([row[name] for name in names] for row in table)
    return path


def coco(folder: Path, shares: Sequence[float | None]) -> Path:
    """Pictures of 100 x 100 pixels with a person that takes that share of them, or none; a dog is in all."""
    (folder / "val2014").mkdir(parents=True)
    (folder / "annotations").mkdir()
    images, annotations = [], []
    for i, share in enumerate(shares):
        drawn(share is not None, i, (100, 100)).save(folder / "val2014" / f"COCO_{i:06d}.jpg")
        images.append({"id": 1000 + i, "file_name": f"COCO_{i:06d}.jpg", "height": 100, "width": 100})
        annotations.append({"image_id": 1000 + i, "category_id": 18, "area": 5000.0})
        if share is not None:
            annotations.append({"image_id": 1000 + i, "category_id": 1, "area": share * 100 * 100})
    categories = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations" / "instances_val2014.json").write_text(json.dumps(document))
    return folder
