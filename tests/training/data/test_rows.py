"""Rows of features: read whole or refused with the row's number."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.training.data.small import project
from training.config import load_config
from training.data import DataError, load_all, load_data, rows

HEADER = "width,kind,height\n"


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(text.encode())
    return path


def test_the_packaged_irises_have_flowers_of_each_species_on_every_side() -> None:
    data = load_data(load_config("iris"))
    assert data.classes == ["setosa", "versicolor", "virginica"]
    assert data.feature_names[0] == "sepal length (cm)"
    parts = (data.train, data.validation, data.test)
    assert sum(map(len, parts)) == 150
    assert all((np.bincount(items.labels, minlength=3) >= 5).all() for items in parts)
    assert len(data.test) >= 30
    everything = {tuple(items.raw(index)) for items in parts for index in range(len(items))}
    # Two flowers measure the same.
    assert len(everything) == 149
    assert sum(len({tuple(row) for row in items.values}) for items in parts) == 149  # type: ignore[attr-defined]


def test_a_file_is_read_by_its_header(tmp_path: Path) -> None:
    lines = [f"{number}.5, {'wide' if number % 2 else 'tall'} ,{-number}" for number in range(80)]
    path = _write(tmp_path, "\ufeff" + HEADER + "\r\n".join(lines) + "\n\n")
    data = load_data(project({"source": "csv", "label": "kind"}), override=str(path))
    assert data.classes == ["tall", "wide"]
    assert data.feature_names == ["width", "height"]
    for items in (data.train, data.validation, data.test):
        for index, name in enumerate(items.ids):
            number = int(name.removeprefix("row ")) - 2
            assert items.raw(index).tolist() == items.prepared(index).tolist() == [number + 0.5, -number]
            assert items.raw(index).dtype == np.float32
            assert items.labels[index] == number % 2


def test_zero_has_one_digest(tmp_path: Path) -> None:
    found = [rows.read(_write(tmp_path, f"{HEADER}{zero},a,1\n1,b,1\n"), "kind") for zero in ("0", "-0.0")]
    assert found[0].digests == found[1].digests


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEADER + "1,a,2\n1,b,x\n", r"row 3: height is 'x', which is no finite number"),
        (HEADER + "1,a,2\n\n1,b,\n", r"row 4: height is missing"),
        (HEADER + "1,a,nan\n", r"row 2: height is 'nan'"),
        (HEADER + "1,a,1e39\n", r"row 2: height is '1e39'"),
        *[
            (f"{HEADER}1,a,{number}\n", f"row 2: height is '{re.escape(number)}', which is no finite number")
            for number in (
                "5_1",
                "0x10",
                "inf",
                "-Infinity",
                "٣",
                "\N{FULLWIDTH DIGIT FIVE}",
                "1e",
                "1e5_0",
                ".",
                "+-1",
                "1 000",
                "1d5",
                "½",
            )
        ],
        (HEADER + "1,a\n", r"row 2: 2 values for 3 columns"),
        (HEADER + "1,a,2,3\n", r"row 2: 4 values for 3 columns"),
        (HEADER + "1,,2\n", r"row 2: kind is missing"),
        (HEADER + "1,a,2\n", r"has 1 classes in column 'kind'"),
        (HEADER, r"has 0 classes"),
        ("width,height\n1,2\n", r"has no column 'kind'; its columns are 'width', 'height'"),
        ("", r"has no column 'kind'; its columns are none"),
        ("kind\na\nb\n", r"has no column but 'kind'"),
        ("width,kind,width\n1,a,2\n", r"row 1: every column needs a name of its own"),
        ('width,kind\n1,"a\n', r"is no CSV"),
    ],
)
def test_bad_files_are_refused_with_the_row(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        rows.read(_write(tmp_path, text), "kind")


def test_numbers_are_read_as_other_programs_write_them(tmp_path: Path) -> None:
    written = {"1e5": 1e5, "-1.5E-3": -1.5e-3, "+7": 7, " 1 ": 1, ".5": 0.5, "2.": 2, "007": 7}
    lines = "".join(f"0,{'ab'[index % 2]},{number}\n" for index, number in enumerate(written))
    values = rows.read(_write(tmp_path, HEADER + lines), "kind").items
    assert [values.raw(index)[1] for index in range(len(values))] == [np.float32(number) for number in written.values()]


def test_rows_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    lines = "".join(f"{number % 50},{'Cat' if number < 50 else 'cat'},0\n" for number in range(60))
    said: list[str] = []
    path = _write(tmp_path, HEADER + lines)
    load_all(project({"source": "csv", "label": "kind"}), str(path), say=said.append)
    assert "'Cat' and 'cat'" in said[0]
    assert said[1].startswith("10 items are the same as one of another class: row 2 (Cat) and row 52 (cat), ")


def test_other_bytes_than_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"\xff\xfe\x00w")
    with pytest.raises(DataError, match="no CSV in UTF-8"):
        rows.read(path, "kind")
    with pytest.raises(DataError, match="cannot be read: No such file"):
        rows.read(tmp_path / "absent.csv", "kind")


def test_the_class_of_the_irises_has_a_name() -> None:
    with pytest.raises(DataError, match="'species'"):
        rows.read(None, "flower")
