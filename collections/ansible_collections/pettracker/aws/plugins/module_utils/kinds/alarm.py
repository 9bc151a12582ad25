"""CloudWatch alarms. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html"""

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from ..state import State, differences, tags_to_dict, tags_to_list
from .alarm_metrics import ACTIONS, FIELDS, found_metric, request
from .charges import Fields, Gap, Item, Place, line
from .fields import IDENTITY, TIME, UNSET, Answer, Default, Foreign, Ignored, Marks, compared, each
from .finding import tagged
from .keeping import Kept
from .kind import Answers, Clients, Grant, Owned, Scope, set_tags

METRIC_FIELDS = ("namespace", "metric", "statistic", "period", "expression")
# A composite alarm with the environment's tags is found, so that it is seen: no variable describes one.
TYPES = {"MetricAlarm": "MetricAlarms", "CompositeAlarm": "CompositeAlarms", "LogAlarm": "LogAlarms"}
# DescribeAlarms takes no more names at once.
MOST_NAMES = 100
WINDOW = "sliding"
STATE = Foreign("CloudWatch, which evaluates the alarm")
# Below so many seconds, an alarm has another price.
FAST_SECONDS = 60
ALARMS: Marks = {
    **each(IDENTITY, "AlarmName AlarmArn"),
    **compared(**FIELDS, **ACTIONS, actions_enabled="ActionsEnabled"),
    **compared(namespace="Namespace", metric="MetricName", statistic="Statistic", dimensions="Dimensions", period="Period"),
    **compared(datapoints="DatapointsToAlarm", evaluation_window="EvaluationWindow"),
    **each(TIME, "AlarmConfigurationUpdatedTimestamp StateUpdatedTimestamp StateTransitionedTimestamp"),
    **each(STATE, "StateValue StateReason StateReasonData EvaluationState"),
    **each(UNSET, "ExtendedStatistic Unit ThresholdMetricId EvaluationCriteria EvaluationInterval"),
    "EvaluateLowSampleCountPercentile": Default("evaluate"),
    "Metrics": {
        **compared(expression="Id Expression ReturnData Period AccountId"),
        "MetricStat": {
            "Metric": compared(namespace="Namespace", metric="MetricName", dimensions="Dimensions"),
            **compared(period="Period", statistic="Stat", expression="Unit"),
        },
        "Label": Ignored("a text for the legend of a graph"),
    },
    "WarmUpConfiguration": {"WarmUpPeriodDurationInMinutes": UNSET, "OnlyStartEvaluatingAfterWarmUpPeriodEnds": Default(False)},
    "ActionConfiguration": {
        "AlarmTagsPropagation": {"Enabled": Default(False), **each(UNSET, "IncludedTagKeys ExcludedTagKeys")}
    },
}
EITHER = ((("Metrics",), ("MetricName", "Namespace", "Statistic", "Dimensions", "Period")),)
# The environment's own.
OWN = ("arn:{partition}:cloudwatch:{region}:{account}:alarm:{prefix}-*",)


class Alarm(Kept):
    """An alarm on one metric, or on one expression of metric math over a metric.

    PutMetricAlarm writes all of an alarm but its tags, so that whatever it does not name is AWS's own again.
    """

    name = "alarm"
    service = "cloudwatch"
    answers = (
        Answer("DescribeAlarms", "MetricAlarms", ALARMS, either=EITHER),
        Answer("ListTagsForResource", "", compared(tags="Tags")),
    )
    look = (
        Grant("cloudwatch", "DescribeAlarms"),
        Grant("tag", "GetResources"),
        Grant("cloudwatch", "ListTagsForResource", ("arn:{partition}:cloudwatch:{region}:{account}:alarm:*",)),
    )
    change = (Grant("cloudwatch", "PutMetricAlarm TagResource UntagResource", OWN),)
    removal = (Grant("cloudwatch", "DeleteAlarms", OWN),)

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        names = [arn.split(":alarm:", 1)[1] for arn in tagged(clients, scope, "cloudwatch:alarm")]
        for alarm in _described(clients, names, *TYPES):
            yield Owned(alarm["AlarmName"], fields=found_metric(alarm))

    def remove(self, clients: Clients, identity: str) -> None:
        clients("cloudwatch").delete_alarms(AlarmNames=[identity])

    def read(self, clients: Clients, name: str) -> Answers:
        return self.read_all(clients, [name])[name]

    def read_all(self, clients: Clients, names: Collection[str]) -> dict[str, Answers]:
        found: dict[str, Answers] = {name: {} for name in names}
        for alarm in _described(clients, list(names), "MetricAlarm"):
            tags = clients("cloudwatch").list_tags_for_resource(ResourceARN=alarm["AlarmArn"])
            found[alarm["AlarmName"]] = {"DescribeAlarms": alarm, "ListTagsForResource": tags}
        return found

    def state(self, answers: Answers) -> State:
        alarm = answers["DescribeAlarms"]
        # DescribeAlarms leaves out TreatMissingData where it is the default.
        fields = {field: alarm.get(key) for field, key in FIELDS.items()} | found_metric(alarm)
        return fields | {
            "missing_data": alarm.get("TreatMissingData") or "missing",
            **{field: sorted(alarm.get(key) or []) for field, key in ACTIONS.items()},
            "actions_enabled": alarm.get("ActionsEnabled", True),
            # Without a number of its own, every period has to be bad.
            "datapoints": alarm.get("DatapointsToAlarm") or alarm.get("EvaluationPeriods"),
            "evaluation_window": _window(alarm.get("EvaluationWindow") or {}),
            "tags": tags_to_dict(answers["ListTagsForResource"]["Tags"]),
        }

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        resource, period, prices = f"{self.name} {name}", fields["period"], place.prices["cloudwatch"]
        if period is None:
            yield Gap(resource, "no price known for an alarm on anything but one metric")
            return
        price = prices["fast_alarm_month"] if period < FAST_SECONDS else prices["alarm_month"]
        yield line(resource, "cloudwatch", "alarm", price)

    def wanted(self, entry: Mapping[str, Any], found: State | None) -> State:
        topics = sorted(entry["topic_arns"])
        return {field: entry[field] for field in (*FIELDS, *METRIC_FIELDS)} | {
            "dimensions": {name: str(value) for name, value in entry["dimensions"].items()},
            "alarm_actions": topics,
            "ok_actions": topics,
            "insufficient_data_actions": [],
            # Somebody who is tired of an alarm switches its actions off, or asks for fewer bad periods.
            "actions_enabled": True,
            "datapoints": entry["evaluation_periods"],
            "evaluation_window": WINDOW,
            "tags": entry["tags"] | {"Name": entry["name"]},
        }

    def apply(self, clients: Clients, name: str, wanted: State, answers: Answers) -> None:
        client = clients("cloudwatch")
        if not answers:
            # PutMetricAlarm takes tags for a new alarm and ignores them for an existing one.
            client.put_metric_alarm(**request(name, wanted), Tags=tags_to_list(wanted["tags"]))
            return
        arn, found = answers["DescribeAlarms"]["AlarmArn"], self.state(answers)
        if self.deviations(answers) or differences(wanted, found) != ["tags"]:
            client.put_metric_alarm(**request(name, wanted))
        set_tags(wanted, found, partial(client.tag_resource, ResourceARN=arn), partial(client.untag_resource, ResourceARN=arn))


def _described(clients: Clients, names: list[str], *types: str) -> Iterator[dict[str, Any]]:
    paginator = clients("cloudwatch").get_paginator("describe_alarms")
    for begin in range(0, len(names), MOST_NAMES):
        for page in paginator.paginate(AlarmNames=names[begin : begin + MOST_NAMES], AlarmTypes=list(types)):
            for kind in types:
                yield from page.get(TYPES[kind]) or []


def _window(window: Mapping[str, Any]) -> str:
    """Returns which data an alarm looks at: the latest, or those since the clock struck, in a time zone."""
    if "WallClockWindow" not in window:
        return WINDOW
    return f"wall clock {window['WallClockWindow'].get('Timezone') or 'UTC'}"
