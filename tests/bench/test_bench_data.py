"""Every form of data: what it holds is handled or reported by name, and nothing is lost."""

import csv
import random
from collections import Counter
from pathlib import Path

import pytest
from bench_sets import coco, drawn, parquet, person_folder, rows, table
from hypothesis import given
from hypothesis import strategies as st

from tinyml.bench.data import EXCLUDED, GROUPS, Dataset, Sample, Selection, open_classes, open_wake_vision
from tinyml.bench.pictures import PictureError, decode
from tinyml.errors import TinymlError, UsageError


def everything(dataset: Dataset) -> list[Sample]:
    samples = list(dataset.read(range(len(dataset))))
    assert [s.index for s in samples] == list(range(len(dataset)))
    assert len({s.key for s in samples}) == len(samples)
    return samples


def kind(sample: Sample) -> str:
    """What becomes of a sample, in a word."""
    if sample.problem is not None:
        return sample.problem
    if sample.label is None:
        return "unlabelled"
    assert sample.picture is not None
    try:
        decode(sample.picture, 3)
    except PictureError:
        return "unreadable"
    return f"label {sample.label}"


EXPECTED_KINDS = {"label 1": 3, "label 0": 3, "label -1": 1, "unlabelled": 1, "unreadable": 3}


@pytest.mark.parametrize("struct", [True, False], ids=["struct", "binary"])
def test_parquet_with_everything_that_a_row_can_be(tmp_path: Path, struct: bool) -> None:
    parquet(tmp_path / "data" / "test-00000-of-00001.parquet", rows(), struct=struct)
    dataset = open_wake_vision(tmp_path)
    assert set(dataset.columns) == set(GROUPS) and dataset.description == "Parquet, 1 file: 12 rows"
    samples = everything(dataset)
    assert Counter(map(kind, samples)) == {**EXPECTED_KINDS, "its row has no picture": 1}
    assert samples[0].groups == ("predominantly_male", "near", "bright")
    assert samples[3].unknown == ("far", "near") and samples[3].groups == ("older",)
    assert samples[5].label == EXCLUDED
    assert samples[4].key == "test-00000-of-00001.parquet#5 004.img"


def test_csv_with_everything_that_a_row_can_be(tmp_path: Path) -> None:
    table(tmp_path / "wake_vision_test.csv", rows())
    dataset = open_wake_vision(tmp_path)
    samples = everything(dataset)
    assert set(dataset.columns) == set(GROUPS)
    assert Counter(map(kind, samples)) == {**EXPECTED_KINDS, "there is no such file": 1}
    assert samples[0].groups == ("predominantly_male", "near", "bright")
    assert samples[3].unknown == ("far", "near")


def test_rows_of_csv_that_are_wrong(tmp_path: Path) -> None:
    drawn(True, 0).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(
        "filename,person,near\n"
        "a.png,True,false\n"
        "a.png,0,1\n"
        "a.png,maybe,1\n"
        "a.png,1\n"
        "../a.png,1,1\n"
        ",1,1\n"
        "/etc/passwd,1,1\n",
        encoding="utf-8",
    )
    samples = everything(open_wake_vision(tmp_path))
    assert [kind(s) for s in samples] == [
        "label 1",
        "label 0",
        "its row has 'maybe' where 1, 0, -1 or nothing is expected",
        "its row in labels.csv has 2 of 3 cells",
        "its name leaves the folder of the data",
        "its row names no file",
        "its name leaves the folder of the data",
    ]
    assert samples[0].groups == () and samples[1].groups == ("near",)


def test_shards_are_read_in_parts_and_in_order(tmp_path: Path) -> None:
    all_rows = [{**row, "filename": f"{i}"} for i, row in enumerate(rows() * 5)]
    for shard in range(3):
        parquet(tmp_path / f"validation-{shard:05d}-of-00003.parquet", all_rows[shard * 20 : shard * 20 + 20])
    dataset = open_wake_vision(tmp_path)
    assert len(dataset) == 60
    whole = everything(dataset)
    assert [s.key.split()[-1] for s in whole if s.problem is None] == [
        str(i) for i, row in enumerate(all_rows) if row["image"] is not None
    ]
    chosen = sorted(random.Random(3).sample(range(60), 17))
    assert list(dataset.read(chosen)) == [whole[i] for i in chosen]
    assert list(dataset.read([])) == []


def test_a_damaged_row_group_is_reported_row_by_row(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = parquet(tmp_path / "test.parquet", rows(), row_group=4)
    group = pq.ParquetFile(path).metadata.row_group(1)
    image = next(group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema.endswith("bytes"))
    data = bytearray(path.read_bytes())
    start = image.dictionary_page_offset or image.data_page_offset
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    samples = everything(open_wake_vision(tmp_path))
    damaged = [s.index for s in samples if s.problem is not None and "test.parquet is damaged" in s.problem]
    assert damaged == [4, 5, 6, 7]
    assert samples[0].label == 1 and len(samples) == 12


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "test.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(TinymlError, match=r"test\.parquet cannot be read as Parquet"):
        open_wake_vision(tmp_path)


def test_a_shard_without_the_columns(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"picture": [b""], "label": [1]}), tmp_path / "test.parquet")
    with pytest.raises(TinymlError, match="no column image and no column person; it has picture, label"):
        open_wake_vision(tmp_path)


def test_splits_of_shards(tmp_path: Path) -> None:
    for name in ("train_large", "test", "validation"):
        parquet(tmp_path / f"{name}-00000-of-00001.parquet", rows()[: len(name)])
    assert len(open_wake_vision(tmp_path)) == 4
    assert len(open_wake_vision(tmp_path, "validation")) == 10
    with pytest.raises(UsageError, match=r"--split lunch(.|\n)*test, train_large, validation"):
        open_wake_vision(tmp_path, "lunch")
    (tmp_path / "test-00000-of-00001.parquet").unlink()
    with pytest.raises(UsageError, match=r"several splits(.|\n)*train_large, validation"):
        open_wake_vision(tmp_path)


def test_coco_counts_persons_of_more_than_half_a_percent(tmp_path: Path) -> None:
    """5000 square pixels of dog count for nothing; a person of exactly 0.5 % does not count, either."""
    coco(tmp_path, [None, 0.001, 0.005, 0.0051, 0.4])
    (tmp_path / "val2014" / "COCO_000004.jpg").unlink()
    dataset = open_wake_vision(tmp_path, None)
    assert [kind(s) for s in everything(dataset)] == [
        "label 0", "label 0", "label 0", "label 1", "there is no such file",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["{", "[]", '{"images": [], "annotations": []}', '{"images": 3}'])
def test_annotations_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val.json").write_text(text)
    with pytest.raises(TinymlError, match="is not a file of COCO annotations"):
        open_wake_vision(tmp_path)


def test_folders(tmp_path: Path) -> None:
    person_folder(tmp_path / "test", 3)
    person_folder(tmp_path / "train", 2)
    (tmp_path / "test" / "person" / "readme.txt").write_text("hello")
    dataset = open_wake_vision(tmp_path)
    assert Counter(map(kind, everything(dataset))) == {"label 0": 3, "label 1": 3}
    assert dataset.notes and "1 files" in dataset.notes[0]
    assert len(open_wake_vision(tmp_path, "train")) == 4
    assert open_wake_vision(tmp_path, "train").fingerprint != dataset.fingerprint
    assert open_wake_vision(tmp_path).fingerprint == dataset.fingerprint


def test_folders_with_a_table_of_columns(tmp_path: Path) -> None:
    person_folder(tmp_path / "test", 2)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "person", "near", "dark"])
        writer.writerow(["test/person/0000.jpg", "1", "1", ""])
        writer.writerow(["test/person/0001.jpg", "-1", "0", "1"])
        writer.writerow(["test/person/gone.jpg", "1", "0", "1"])
        writer.writerow(["train/person/0000.jpg", "1", "0", "1"])
    dataset = open_wake_vision(tmp_path)
    samples = {s.key: s for s in everything(dataset)}
    assert dataset.columns == ("near", "dark")
    assert samples["person/0000.jpg"].groups == ("near",) and samples["person/0000.jpg"].unknown == ("dark",)
    assert samples["person/0001.jpg"].label == EXCLUDED
    assert samples["no_person/0001.jpg"].label == 0 and samples["no_person/0001.jpg"].unknown == ("near", "dark")
    assert samples["person/gone.jpg"].problem == "labels.csv names it and there is no such file"
    assert len(samples) == 5


def test_classes(tmp_path: Path) -> None:
    for name in ("cat", "ant", "bee"):
        (tmp_path / name).mkdir()
        drawn(True, 1).save(tmp_path / name / "x.png")
    dataset = open_classes(tmp_path)
    assert dataset.classes == ("ant", "bee", "cat")
    assert {s.key: s.label for s in everything(dataset)} == {"ant/x.png": 0, "bee/x.png": 1, "cat/x.png": 2}
    ordered = open_classes(tmp_path, ("none", "cat", "bee", "ant"))
    assert {s.key: s.label for s in everything(ordered)} == {"ant/x.png": 3, "bee/x.png": 2, "cat/x.png": 1}
    with pytest.raises(TinymlError, match="folders that are no class: ant"):
        open_classes(tmp_path, ("cat", "bee"))


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(TinymlError, match="no labelled pictures"):
        open_wake_vision(tmp_path)
    with pytest.raises(TinymlError, match="does not exist"):
        open_wake_vision(tmp_path / "gone")
    with pytest.raises(TinymlError, match="0 folders"):
        open_classes(tmp_path)
    (tmp_path / "labels.csv").write_bytes(b"filename,person\n\xff\xfe\x00,1\n")
    with pytest.raises(TinymlError, match=r"labels\.csv cannot be read as CSV"):
        open_wake_vision(tmp_path)


@given(
    count=st.integers(1, 300),
    limit=st.none() | st.integers(1, 400),
    seed=st.integers(0, 9),
    parts=st.integers(1, 7),
)
def test_shards_of_a_selection_are_disjoint_and_complete(count: int, limit: int | None, seed: int, parts: int) -> None:
    whole = Selection(limit, seed).indices(count)
    assert len(whole) == min(count, limit or count) == len(set(whole)) and whole == sorted(whole)
    assert all(0 <= i < count for i in whole)
    shards = [Selection(limit, seed, (i + 1, parts)).indices(count) for i in range(parts)]
    assert sorted(i for shard in shards for i in shard) == whole
    assert all(shard == sorted(shard) for shard in shards)


def test_selections_that_make_no_sense() -> None:
    for wrong in ({"limit": 0}, {"shard": (0, 3)}, {"shard": (4, 3)}):
        with pytest.raises(UsageError):
            Selection(**wrong)  # type: ignore[arg-type]
    assert Selection(5, seed=1).indices(100) != Selection(5, seed=2).indices(100)
