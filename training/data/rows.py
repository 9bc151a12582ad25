"""Rows of features and a class: CSV with a header, or scikit-learn's packaged irises."""

import csv
import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np

from training.data.items import DataError, Found, Rows

# What other programs write and read. Python alone reads 5_1 as 51, and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_MAX_FLOAT32 = float(np.finfo(np.float32).max)


def read(path: Path | None, label: str) -> Found:
    """Read a file.

    Args:
        path: None: scikit-learn's irises, whose class is called "species".
        label: name of the column of the class.

    Raises:
        DataError: it names the row, counted as an editor counts lines.
    """
    if path is None:
        return _irises(label)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return _read_rows(csv.reader(stream, strict=True), str(path), label)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV in UTF-8: {error}") from None


def _irises(label: str) -> Found:
    # Takes a second, and photos have no use for it.
    from sklearn.datasets import load_iris  # noqa: PLC0415

    if label != "species":
        raise DataError(f"data.label is {label!r}; the class of the packaged irises is called 'species'")
    data = load_iris()
    classes = [str(name) for name in data.target_names]
    ids = [f"row {number}" for number in range(1, len(data.target) + 1)]
    return _found(data.data.tolist(), data.target.tolist(), ids, classes, list(data.feature_names))


def _read_rows(lines: Any, name: str, label: str) -> Found:
    header = [cell.strip() for cell in next(lines, [])]
    if label not in header:
        raise DataError(f"{name} has no column {label!r}; its columns are {', '.join(map(repr, header)) or 'none'}")
    if len(set(header)) != len(header) or "" in header:
        raise DataError(f"{name}, row 1: every column needs a name of its own")
    column = header.index(label)
    features = header[:column] + header[column + 1 :]
    if not features:
        raise DataError(f"{name} has no column but {label!r}")
    values, named, ids = [], [], []
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{name}, row {lines.line_num}"
        if len(cells) != len(header):
            raise DataError(f"{where}: {len(cells)} values for {len(header)} columns")
        answer = cells.pop(column).strip()
        if not answer:
            raise DataError(f"{where}: {label} is missing")
        values.append([_number(cell, where, feature) for cell, feature in zip(cells, features, strict=True)])
        named.append(answer)
        ids.append(f"row {lines.line_num}")
    classes = sorted(set(named))
    if len(classes) < 2:
        raise DataError(f"{name} has {len(classes)} classes in column {label!r}; at least two are needed")
    return _found(values, [classes.index(answer) for answer in named], ids, classes, features)


def _number(cell: str, where: str, feature: str) -> float:
    cell = cell.strip()
    if not cell:
        raise DataError(f"{where}: {feature} is missing")
    if not _NUMBER.fullmatch(cell) or abs(value := float(cell)) > _MAX_FLOAT32:
        raise DataError(f"{where}: {feature} is {cell[:40]!r}, which is no finite number")
    return value


def _found(values: list[list[float]], labels: list[int], ids: list[str], classes: list[str], names: list[str]) -> Found:
    # Adding 0 makes 0 of -0, which is the same number and has other bytes.
    numbers = np.array(values, np.float32) + np.float32(0)
    digests = [hashlib.sha256(row.astype("<f4").tobytes()).digest() for row in numbers]
    return Found(Rows(numbers, np.array(labels, np.int64), ids), classes, digests, names)
