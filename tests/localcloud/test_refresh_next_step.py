"""The arithmetic of an instance refresh: healthy percentages, checkpoints, preferences."""

from typing import Any

import pytest

from localcloud.fleet.refresh.next_step import Situation, Step, count_of, next_step
from localcloud.fleet.refresh.preferences import parse


def situation(desired: int, **different: int) -> Situation:
    """A healthy group of old instances, with what is different about it."""
    usual = {"serving": desired, "replaceable": desired, "idle": 0, "short": 0, "quota": desired}
    return Situation(desired=desired, **(usual | different))


@pytest.mark.parametrize(
    ("desired", "minimum", "maximum", "step"),
    [
        # One tenth of ten may be missing; of two, a tenth is nothing, and yet one goes.
        (10, 90, None, Step(1, 0)),
        (10, 50, None, Step(5, 0)),
        (2, 90, None, Step(1, 0)),
        (4, 100, None, Step(1, 0)),
        (4, 0, None, Step(4, 0)),
        # With a maximum the replacement comes first, even where there is no room for it.
        (4, 100, 100, Step(0, 1)),
        (2, 100, 110, Step(0, 1)),
        (1, 90, 100, Step(0, 1)),
        (4, 100, 150, Step(0, 2)),
        (4, 100, 200, Step(0, 4)),
        # Room on both sides is used on both sides.
        (4, 75, 125, Step(1, 1)),
        (4, 50, 100, Step(2, 0)),
    ],
)
def test_a_healthy_group_is_replaced_as_the_percentages_say(
    desired: int, minimum: int, maximum: int | None, step: Step
) -> None:
    assert next_step(situation(desired), minimum, maximum) == step


def test_an_old_instance_goes_when_its_replacement_is_ready() -> None:
    assert next_step(situation(4, serving=5), 100, 125) == Step(1, 1)
    assert next_step(situation(4, serving=5, replaceable=1, quota=1), 100, 125) == Step(1, 0)


def test_nothing_more_goes_while_a_replacement_is_not_ready() -> None:
    assert next_step(situation(4, serving=3, replaceable=3, quota=3, short=1), 90, None) == Step(0, 0)
    assert next_step(situation(4, serving=3, replaceable=3, quota=3, short=1), 50, None) == Step(1, 0)


def test_a_group_that_is_not_healthy_loses_nothing_that_serves() -> None:
    assert next_step(situation(4, serving=3), 90, None) == Step(0, 0)
    assert next_step(situation(4, serving=3, idle=1), 90, None) == Step(1, 0)
    assert next_step(situation(4, serving=0, idle=4), 100, 125) == Step(4, 0)


def test_a_checkpoint_bounds_both_what_goes_and_what_comes() -> None:
    assert next_step(situation(10, quota=2), 50, None) == Step(2, 0)
    assert next_step(situation(10, quota=2), 100, 200) == Step(0, 2)
    assert next_step(situation(10, quota=0, idle=3), 50, 200) == Step(0, 0)


def test_a_part_of_an_instance_is_a_whole_one() -> None:
    assert [count_of(one, 3) for one in (0, 1, 33, 34, 67, 100)] == [0, 1, 1, 2, 3, 3]


def test_preferences_that_are_left_out_have_the_defaults_of_aws() -> None:
    assert parse({}, 120).describe() == {
        "MinHealthyPercentage": 90,
        "InstanceWarmup": 120,
        "SkipMatching": False,
        "AutoRollback": False,
        "ScaleInProtectedInstances": "Wait",
        "StandbyInstances": "Wait",
        "BakeTime": 0,
    }
    assert parse({"CheckpointPercentages": [50]}, 0).describe()["CheckpointDelay"] == 3600
    assert parse({"MinHealthyPercentage": 0, "InstanceWarmup": 0}, 120).warmup == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"MinHealthyPercentage": 101}, "MinHealthyPercentage is 101; it must be from 0 to 100"),
        ({"MinHealthyPercentage": 100, "MaxHealthyPercentage": 99}, "MaxHealthyPercentage is 99"),
        ({"MaxHealthyPercentage": 120}, "you must also specify MinHealthyPercentage"),
        ({"MinHealthyPercentage": 50, "MaxHealthyPercentage": 151}, "cannot be above 100"),
        ({"InstanceWarmup": -1}, "InstanceWarmup is -1; it must be 0 or more"),
        ({"CheckpointDelay": 60}, "you must also specify CheckpointPercentages"),
        ({"CheckpointPercentages": [50, 50]}, "unique and in ascending order"),
        ({"CheckpointPercentages": [50, 20]}, "unique and in ascending order"),
        ({"CheckpointPercentages": [0, 100]}, "CheckpointPercentages is 0"),
        ({"CheckpointPercentages": [50], "CheckpointDelay": 172801}, "CheckpointDelay is 172801"),
        ({"BakeTime": 172801}, "BakeTime is 172801"),
        ({"AlarmSpecification": {"Alarms": [str(one) for one in range(11)]}}, "up to 10 alarms"),
        ({"ScaleInProtectedInstances": "Terminate"}, "must be one of Refresh, Ignore, Wait"),
        ({"StandbyInstances": "Refresh"}, "must be one of Terminate, Ignore, Wait"),
    ],
)
def test_preferences_that_aws_would_not_take_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(given, 0)
