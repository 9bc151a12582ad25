"""The arithmetic of scaling policies, with the examples of the Auto Scaling user guide."""

import pytest

from localcloud.scaling.decisions import Step, adjusted, amount_of_step, stepped, tracked_in, tracked_out

# "Step adjustments for step scaling", the guide's scale-out policy: threshold 50, 10 % from 60, 30 % from 70.
STEPS = (Step(0, 10, 0), Step(10, 20, 10), Step(20, None, 30))
SHRINKING = (Step(-10, 0, 0), Step(-20, -10, -10), Step(None, -20, -30))


@pytest.mark.parametrize(
    ("capacity", "kind", "amount", "least", "wanted"),
    [
        (3, "ChangeInCapacity", 5, 0, 8),
        (3, "ExactCapacity", 5, 0, 5),
        (10, "PercentChangeInCapacity", 10, 0, 11),
        (10, "PercentChangeInCapacity", 127, 0, 22),
        (10, "PercentChangeInCapacity", 6, 0, 11),
        (10, "PercentChangeInCapacity", -6, 0, 9),
        (10, "PercentChangeInCapacity", -67, 0, 4),
        (4, "PercentChangeInCapacity", 25, 2, 6),
    ],
)
def test_adjustment_types_and_their_rounding(capacity: int, kind: str, amount: int, least: int, wanted: int) -> None:
    assert adjusted(capacity, kind, amount, least) == wanted


@pytest.mark.parametrize(("value", "amount"), [(50, 0), (59.9, 0), (60, 10), (69.9, 10), (70, 30), (400, 30), (45, None)])
def test_a_step_above_the_threshold_includes_its_lower_bound(value: float, amount: int | None) -> None:
    assert amount_of_step(STEPS, value - 50) == amount


@pytest.mark.parametrize(("value", "amount"), [(45, 0), (40, -10), (30, -30), (10, -30)])
def test_a_step_below_the_threshold_includes_its_upper_bound(value: float, amount: int) -> None:
    assert amount_of_step(SHRINKING, value - 50) == amount


def test_a_further_step_adds_only_what_the_first_has_not() -> None:
    # The guide's example: 10 instances, the metric rises to 60 and, while the new one warms up, to 70.
    first = stepped(10, 0, "PercentChangeInCapacity", 10)
    assert first == 11
    assert stepped(first, 1, "PercentChangeInCapacity", 10) == 11
    assert stepped(first, 1, "PercentChangeInCapacity", 30) == 13


def test_nothing_is_taken_away_while_instances_warm_up() -> None:
    assert stepped(11, 1, "ChangeInCapacity", -2) == 11
    assert stepped(11, 0, "ChangeInCapacity", -2) == 9


def test_target_tracking_grows_in_proportion_and_at_once() -> None:
    assert tracked_out(2, 2, 100, 50) == 4
    assert tracked_out(2, 2, 50.1, 50) == 3


def test_target_tracking_does_not_add_again_for_the_same_load() -> None:
    assert tracked_out(4, 2, 100, 50) == 4
    assert tracked_out(4, 2, 140, 50) == 6


def test_target_tracking_shrinks_one_by_one_and_never_above_the_target() -> None:
    assert tracked_in(4, 0, 4, 10, 50) == 3
    assert tracked_in(2, 0, 2, 44, 50) == 2
    assert tracked_in(4, 1, 3, 10, 50) == 4
