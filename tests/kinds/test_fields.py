"""Every field with which AWS describes a resource has its place, and what is called compared is compared."""

import copy
import datetime
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.fields import (
    Answer,
    Compared,
    Default,
    Foreign,
    Ignored,
    Mark,
    Marks,
    Nobodys,
)
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Kind
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.registry import KINDS
from botocore.model import ListShape, MapShape, Shape, StructureShape

Path = tuple[str, ...]
ANSWERS = [pytest.param(kind, answer, id=f"{kind.name}-{answer.operation}") for kind in KINDS for answer in kind.answers]


def described(kind: Kind, answer: Answer) -> StructureShape:
    """Return the shape of what an answer is about."""
    model = botocore.session.get_session().get_service_model(answer.service or kind.service)
    shape: Any = model.operation_model(answer.operation).output_shape
    for member in filter(None, answer.path.split(".")):
        shape = shape.members[member]
        while isinstance(shape, ListShape):
            shape = shape.member
    assert isinstance(shape, StructureShape)
    return shape


def structure(shape: Shape) -> StructureShape | None:
    while isinstance(shape, ListShape):
        shape = shape.member
    return shape if isinstance(shape, StructureShape) else None


def members(shape: StructureShape, within: Path) -> Mapping[str, Shape]:
    """Return the members of a structure, without those that hold a structure that they are in: it has no end."""
    return {
        member: inner
        for member, inner in shape.members.items()
        if (below := structure(inner)) is None or below.name not in (*within, shape.name)
    }


def unplaced(marks: Marks, shape: StructureShape, path: Path = ()) -> Iterator[str]:
    """Yield members without a mark, and marks without a member."""
    for member in sorted({*shape.members, *marks}):
        where = ".".join((*path, member))
        if member not in marks:
            yield f"{where} has no mark"
        elif member not in shape.members:
            yield f"{where} is not AWS's"
        elif isinstance(marks[member], Mapping):
            inner = structure(shape.members[member])
            if inner is None:
                yield f"{where} is no structure"
            else:
                yield from unplaced(marks[member], inner, (*path, member))


@pytest.mark.parametrize(("kind", "answer"), ANSWERS)
def test_every_field_that_aws_describes_has_its_place(kind: Kind, answer: Answer) -> None:
    assert list(unplaced(answer.marks, described(kind, answer))) == []


@pytest.mark.parametrize(("kind", "answer"), ANSWERS)
def test_a_field_that_is_taken_out_is_missed_by_name(kind: Kind, answer: Answer) -> None:
    for member in answer.marks:
        left = {name: mark for name, mark in answer.marks.items() if name != member}
        assert list(unplaced(left, described(kind, answer))) == [f"{member} has no mark"]


@pytest.mark.parametrize(("kind", "answer"), ANSWERS)
def test_who_decides_and_why_is_said(kind: Kind, answer: Answer) -> None:
    def texts(marks: Marks) -> Iterator[str]:
        for mark in marks.values():
            if isinstance(mark, Mapping):
                yield from texts(mark)
            elif isinstance(mark, Foreign | Ignored):
                yield mark.owner if isinstance(mark, Foreign) else mark.reason

    assert all(len(text.split()) > 1 for text in texts(answer.marks))


class Sample:
    """Answers in which every field has a value, and the same with one field changed."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.answers = {answer.operation: self._answer(answer) for answer in kind.answers}
        for path, value in kind.samples.items():
            self._set(self.answers, path.split("."), value[0] if isinstance(value, tuple) else value)

    def _answer(self, answer: Answer) -> Any:
        value = self._value(described(self.kind, answer), answer.operation, 1)
        return [value] if answer.many else value

    def _value(self, shape: Shape, name: str, number: int, within: Path = ()) -> Any:
        if isinstance(shape, StructureShape):
            return {
                member: self._value(inner, member, number, (*within, shape.name))
                for member, inner in members(shape, within).items()
            }
        if isinstance(shape, ListShape):
            return [self._value(shape.member, name, number, within)]
        if isinstance(shape, MapShape):
            return {f"key-{number}": self._value(shape.value, name, number, within)}
        if shape.type_name == "string":
            return shape.enum[number - 1] if number <= len(shape.enum) else f"{name}-{number}"
        if shape.type_name in ("timestamp",):
            return datetime.datetime(2026, 1, number, tzinfo=datetime.UTC)
        return {"boolean": number == 1, "blob": str(number).encode()}.get(shape.type_name, number)

    def _set(self, value: Any, path: list[str], new: Any) -> None:
        if isinstance(value, list):
            value = value[0]
        if len(path) == 1:
            value[path[0]] = new
        else:
            self._set(value[path[0]], path[1:], new)

    def changed(self, answer: Answer, path: Path, shape: Shape) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the answers without what AWS gives instead of the field at a path, and the same with another value there."""
        before = copy.deepcopy(self.answers)
        for groups in answer.either:
            mine = [group for group in groups if any(path[: len(parts)] == parts for parts in map(parts_of, group))]
            for member in (member for group in groups if mine and group not in mine for member in group):
                self._set(before, [answer.operation, *parts_of(member)], None)
        after = copy.deepcopy(before)
        place = [answer.operation, *path]
        sample = self.kind.samples.get(".".join(place))
        self._set(after, place, sample[1] if isinstance(sample, tuple) else self._value(shape, path[-1], 2))
        return before, after


def parts_of(member: str) -> Path:
    return tuple(member.split("."))


def leaves(marks: Marks | Mark, shape: Shape, path: Path = (), within: Path = ()) -> Iterator[tuple[Path, Mark, Shape]]:
    """Yield the fields that no structure is below, with the mark that goes for them."""
    inner = structure(shape)
    if inner is None or isinstance(marks, Nobodys):
        assert not isinstance(marks, Mapping)
        yield path, marks, shape
        return
    for member, below in members(inner, within).items():
        mark = marks[member] if isinstance(marks, Mapping) else marks
        yield from leaves(mark, below, (*path, member), (*within, inner.name))


@pytest.mark.parametrize(("kind", "answer"), ANSWERS)
def test_a_change_is_seen_where_and_only_where_the_mark_says_so(kind: Kind, answer: Answer) -> None:
    sample = Sample(kind)
    wrong = []
    for path, mark, shape in leaves(answer.marks, described(kind, answer)):
        before, after = sample.changed(answer, path, shape)
        seen = kind.state(after) != kind.state(before), kind.deviations(after) != kind.deviations(before)
        expected = isinstance(mark, Compared), isinstance(mark, Default)
        if seen != expected and not isinstance(mark, Nobodys):
            wrong.append((".".join(path), mark, seen))
    assert wrong == []
