"""When two answers agree."""

import pytest

from bundle.golden import Answer, disagreements


def answers(**confidences: float) -> list[Answer]:
    return [Answer(class_id=int(name[1:]), confidence=value) for name, value in confidences.items()]


REFERENCE = answers(c1=0.50, c2=0.30, c3=0.10)


@pytest.mark.parametrize(
    "other", [answers(c1=0.50, c2=0.30, c3=0.10), answers(c1=0.49, c2=0.31, c3=0.09), answers(c1=0.50, c2=0.30, c4=0.11)]
)
def test_answers_within_the_tolerance_agree(other: list[Answer]) -> None:
    assert disagreements(REFERENCE, other, 0.02) == []


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (answers(c1=0.45, c2=0.30, c3=0.10), "class 1: expected 0.5000, got 0.4500"),
        (answers(c2=0.50, c1=0.30, c3=0.10), "class 1"),
        (answers(c1=0.50, c4=0.30, c3=0.10), "class 2: expected 0.3000, but it is not among the answers"),
        (answers(c1=0.50, c2=0.30, c4=0.20), "class 4: answered with 0.2000"),
        ([], "no answer"),
    ],
)
def test_answers_beyond_it_do_not(other: list[Answer], told: str) -> None:
    assert any(told in problem for problem in disagreements(REFERENCE, other, 0.02))
