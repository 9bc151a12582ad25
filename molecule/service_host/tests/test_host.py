"""A host after the three roles, its first boot and a reboot."""

import json
import re
import time
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from hosts import service_layout
from testinfra.host import Host

LAYOUT = service_layout()
ACCOUNT, UNIT, NOTICES = LAYOUT["name"], LAYOUT["unit"], LAYOUT["notices_unit"]
CAT = f"{LAYOUT['bundle']}/golden/cat.jpg"
INSTANCE = f". {LAYOUT['config_directory']}/instance.env; echo $PETTRACKER_INSTANCE_ID"


@pytest.fixture(scope="module", autouse=True)
def back_after_the_reboot(host: Host) -> None:
    """Nothing has started the service since the reboot; it has to be back by itself."""
    host.run_expect([0], "curl -fsS --retry 30 --retry-delay 1 --retry-all-errors http://127.0.0.1:8080/ready")


def test_the_service_runs_as_an_account_without_shell_password_or_rights(host: Host) -> None:
    account = host.user(ACCOUNT)
    process = host.process.get(user=ACCOUNT, comm="python")

    assert account.shell.endswith("nologin")
    assert account.password.startswith("!")
    assert account.groups == [ACCOUNT]
    status = host.run(f"grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/{process.pid}/status").stdout.split()
    assert status == ["CapEff:", "0000000000000000", "NoNewPrivs:", "1", "Seccomp:", "2"]


@pytest.mark.parametrize("unit", [UNIT, NOTICES])
def test_the_units_are_confined(host: Host, unit: str) -> None:
    security = host.run(f"systemd-analyze security --no-pager --threshold=20 {unit}")

    assert security.rc == 0, security.stdout.splitlines()[-1]


def test_the_service_may_ask_nobody_outside_and_not_the_metadata_but_its_neighbour_may(host: Host) -> None:
    properties = [
        host.check_output(f"systemctl show --property=IPAddressDeny,IPAddressAllow,ActiveState {unit}")
        for unit in (UNIT, NOTICES)
    ]

    assert re.search(r"^IPAddressDeny=.*0\.0\.0\.0/0", properties[0], re.MULTILINE)
    assert re.search(r"^IPAddressAllow=.*10\.0\.0\.0/8", properties[0], re.MULTILINE)
    assert "169.254" not in properties[0]
    assert "ActiveState=active" in properties[1]
    assert "169.254.169.254" in properties[1]
    assert "no instance metadata" not in host.check_output(f"cat {LAYOUT['notices_log']}")


def test_the_service_leaves_memory_and_threads_to_others(host: Host) -> None:
    show = f"systemctl show --value --property=MemoryMax,TasksMax {UNIT}"
    memory, tasks = (int(value) for value in host.check_output(show).splitlines() if value)
    total = int(host.check_output("grep MemTotal /proc/meminfo").split()[1]) * 1024

    assert memory <= total * 0.76
    assert tasks == 512


def test_logs_are_looked_at_every_hour(host: Host) -> None:
    timer = host.check_output("systemctl show --property=TimersCalendar,ActiveState logrotate.timer")

    assert "OnCalendar=hourly" in timer or "OnCalendar=*-*-* *:00:00" in timer
    assert "*-*-* 00:00:00" not in timer


def test_nothing_that_the_service_can_write_is_executed_or_read_by_it(host: Host) -> None:
    places = " ".join(LAYOUT[f"{kind}directory"] for kind in ("", "config_", "log_"))
    found = host.run(f"find {places} ! -type l \\( -user {ACCOUNT} -o -perm /0022 \\)")

    assert found.stdout == ""


def test_no_file_on_the_disk_is_world_writable(host: Host) -> None:
    found = host.run("find / -xdev -path /tmp -prune -o -path /var/tmp -prune -o -type f -perm -0002 -print")

    assert found.stdout == ""


def test_the_port_is_the_only_one_that_listens_for_others(host: Host) -> None:
    sockets = [line.split() for line in host.run("ss --listening --tcp --numeric --no-header").stdout.splitlines()]
    local = [fields[3] for fields in sockets]

    assert [address for address in local if not address.startswith("127.")] == ["0.0.0.0:8080"]


def test_there_is_no_way_in_but_session_manager(host: Host) -> None:
    assert not host.package("openssh-server").is_installed
    assert host.user("root").password.startswith("!")


def test_a_cat_is_a_cat(host: Host) -> None:
    answer = json.loads(host.check_output(f"curl -fsS -F file=@{CAT} http://127.0.0.1:8080/predict"))

    assert answer["predictions"][0]["class"].split(",")[0].lower() in {"egyptian cat", "tabby", "tiger cat"}


def test_golden_answers_and_the_digest_are_the_bundles(host: Host) -> None:
    python, bundle = f"{LAYOUT['python']} -B -I -m", LAYOUT["bundle"]

    host.run_expect([0], f"{python} inference check --url http://127.0.0.1:8080 --bundle {bundle}")
    digest = host.check_output(f". {LAYOUT['config_directory']}/inference.env; echo $PETTRACKER_BUNDLE_DIGEST")
    host.run_expect([0], f"{python} bundle verify --digest {digest} {bundle}")


def test_the_metadata_service_wants_a_token(host: Host) -> None:
    status = host.check_output("curl -s -o /dev/null -w '%{http_code}' http://169.254.169.254/latest/meta-data/instance-id")

    assert status == "401"


def test_the_agent_measures_memory_disk_and_latency_of_the_whole_group(host: Host) -> None:
    config = json.loads(host.check_output("cat /opt/aws/amazon-cloudwatch-agent/bin/config.json"))
    status = json.loads(host.check_output("/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a status"))

    assert status["status"] == "running"
    assert config["metrics"]["namespace"] == "PetTracker/ML"
    assert config["metrics"]["metrics_collected"]["mem"]["measurement"] == ["mem_used_percent"]
    assert config["metrics"]["metrics_collected"]["disk"]["resources"] == ["/"]
    assert config["metrics"]["metrics_collected"]["statsd"]["service_address"] == "127.0.0.1:8125"
    assert config["metrics"]["aggregation_dimensions"] == [["AutoScalingGroupName"], []]


def test_the_agent_has_no_rights_but_to_read_the_services_logs(host: Host) -> None:
    pid = host.check_output("systemctl show --value --property=MainPID amazon-cloudwatch-agent.service")
    fields = dict(line.split(":", 1) for line in host.check_output(f"cat /proc/{pid}/status").splitlines())
    agent = host.user("cwagent")

    assert fields["Uid"].split() == [str(agent.uid)] * 4
    assert fields["Gid"].split() == [str(agent.gid)] * 4
    assert set(fields["Groups"].split()) - {str(agent.gid)} == {str(host.group(ACCOUNT).gid)}
    assert (int(fields["CapEff"], 16), int(fields["CapPrm"], 16)) == (0, 0)
    for log in ("log", "notices_log"):
        assert host.check_output(f"stat --format='%U %G %a' {LAYOUT[log]}") == f"root {ACCOUNT} 640"


def test_the_services_log_lines_arrive_in_cloudwatch(host: Host) -> None:
    instance = host.check_output(INSTANCE)
    logs = boto3.client("logs")
    events: list[str] = []
    deadline = time.monotonic() + 30
    while not any('"ready"' in event for event in events) and time.monotonic() < deadline:
        time.sleep(1)
        found = logs.filter_log_events(logGroupName="/pettracker/ml-server", logStreamNamePrefix=instance)
        events = [event["message"] for event in found["events"]]

    assert any('"ready"' in event for event in events)


def test_the_services_latency_arrives_in_cloudwatch(host: Host) -> None:
    instance = host.check_output(INSTANCE)
    dimensions = [{"Name": "InstanceId", "Value": instance}, {"Name": "metric_type", "Value": "timing"}]
    metric = {"Namespace": "PetTracker/ML", "MetricName": "InferenceLatency", "Dimensions": dimensions}
    query = {"Id": "p99", "MetricStat": {"Metric": metric, "Period": 7200, "Stat": "p99"}}
    host.check_output(f"curl -fsS -F file=@{CAT} http://127.0.0.1:8080/predict")
    values: list[float] = []
    deadline = time.monotonic() + 30
    while not values and time.monotonic() < deadline:
        time.sleep(1)
        now = datetime.now(UTC)
        found = boto3.client("cloudwatch").get_metric_data(
            MetricDataQueries=[query], StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1)
        )
        values = found["MetricDataResults"][0]["Values"]

    assert 0 < values[0] < 10_000  # milliseconds; the deadline is 10 s


def test_the_journal_is_bounded_and_core_dumps_are_off(host: Host) -> None:
    assert host.file("/etc/systemd/journald.conf.d/60-pettracker.conf").contains("SystemMaxUse=200M")
    assert host.check_output("systemctl show --property=DefaultLimitCORE --value") == "0"


def test_updates_come_by_themselves_and_time_from_ec2(host: Host) -> None:
    assert 'Unattended-Upgrade "1"' in host.check_output("apt-config dump | grep APT::Periodic")
    assert host.file("/etc/chrony/chrony.conf").contains("server 169.254.169.123")
    assert host.service("chrony").is_enabled
