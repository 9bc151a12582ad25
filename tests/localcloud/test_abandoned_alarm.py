"""The dead man's alarm, as the role rollout sets it in each environment, rings in time however far CloudWatch looks back."""

from datetime import timedelta

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.alarm import Alarm
from moto.core.utils import utcnow

from localcloud import backends
from tests.localcloud.conftest import Cloud
from tests.roles.inventory_values import ENVIRONMENTS, Values, arguments

# Points beyond its evaluation periods that people have seen an alarm of a minute look at.
EXTRA = (2, 9)


@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_it_rings_before_a_refresh_goes_on(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, environment: str, extra: int) -> None:
    values, minute = Values(environment), 10 if environment == "local" else 60
    monkeypatch.setattr(cloud.account.alarms, "_interval", minute)
    monkeypatch.setattr(cloud.account.alarms, "_extra_periods", extra)
    told = values.value(arguments("rollout", "rolling/preflight", "pettracker.aws.metric_alarms"))
    alarm = {"expression": "", "topic_arns": [], "tags": {}} | told["alarms"][0]
    Alarm().apply(cloud.client, alarm["name"], Alarm().wanted(alarm, None), {})

    begin = utcnow().replace(second=0, microsecond=0)
    beat, last = int(values["rollout_heartbeat_seconds"]), 20 * minute + 1
    named = [{"Name": name, "Value": value} for name, value in alarm["dimensions"].items()]
    for seconds in range(last % beat, last + 1, beat):
        datum = {"MetricName": alarm["metric"], "Dimensions": named, "Value": 1.0}
        backends.cloudwatch().put_metric_data(alarm["namespace"], [datum | {"Timestamp": begin + timedelta(seconds=seconds)}])
    states = {}
    for seconds in range(10 * minute, 60 * minute, minute):
        cloud.account.alarms.evaluate(begin + timedelta(seconds=seconds))
        states[seconds] = backends.cloudwatch().alarms[alarm["name"]].state_value
    rang = min(seconds for seconds, state in states.items() if state == "ALARM")
    assert last < rang <= last + values.times.alarm_seconds - values.number("rollout_notice_seconds")
