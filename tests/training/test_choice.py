"""The fastest program that agrees is chosen, and only a clear lead counts."""

import pytest

from bundle.manifest import Agreement
from training.export.choice import Measured, choose, table


def _measured(speed: float, *, top1: float = 1.0, golden: float = 0.0) -> Measured:
    return Measured(Agreement(top1=top1, max_abs_difference=0.1, samples=200), golden, 0.02, speed)


def test_the_fastest_that_agrees_is_chosen() -> None:
    programs = {"openvino-fp32": _measured(100), "torch-fp32": _measured(20), "openvino-int8": _measured(180)}
    assert choose(programs, 0.98) == "openvino-int8"


def test_a_small_lead_is_noise() -> None:
    assert choose({"openvino-fp32": _measured(100), "openvino-int8": _measured(109)}, 0.98) == "openvino-fp32"
    assert choose({"openvino-fp32": _measured(100), "openvino-int8": _measured(111)}, 0.98) == "openvino-int8"


@pytest.mark.parametrize(
    ("int8", "reason"),
    [
        (_measured(300, top1=0.979), "agrees with the reference on 97.9% of 200 samples, less than 98.0%"),
        (_measured(300, golden=0.03), "is off by 0.03 on the golden set, more than 0.02"),
    ],
)
def test_a_program_that_disagrees_is_not_chosen_and_the_table_says_why(int8: Measured, reason: str) -> None:
    programs = {"openvino-fp32": _measured(100), "openvino-int8": int8}
    assert choose(programs, 0.98) == "openvino-fp32"
    assert any(reason in line for line in table(programs, "openvino-fp32", 0.98))


def test_a_lower_bound_lets_more_programs_in() -> None:
    programs = {"openvino-fp32": _measured(100), "openvino-int8": _measured(300, top1=0.6)}
    assert choose(programs, 0.5) == "openvino-int8"


def test_something_has_to_agree() -> None:
    with pytest.raises(ValueError, match="no program agrees"):
        choose({"openvino-fp32": _measured(100, top1=0.5)}, 0.98)
