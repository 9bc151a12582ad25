"""What a person does to the fleet with playbooks/operate. More in molecule/rollout/tests/test_operations.py."""

import json
import re
import urllib.request

import fleet
import testinfra
from operations import does, forwarded, inside, is_refused
from traffic import load


def started_at(name: str) -> str:
    host = testinfra.get_host(f"podman://{name}")
    return host.check_output("systemctl show --property=ExecMainStartTimestampMonotonic --value pettracker-inference")


def digest_behind(port: int) -> str:
    """Return the digest of the model that answers at a port of this machine; empty while nothing does."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=30) as answer:
            return json.load(answer)["model"]["digest"]
    except OSError:
        return ""


def test_services_restart_one_by_one_and_no_request_fails(healthy_targets):
    before = {name: started_at(name) for name in healthy_targets()}
    with load() as traffic:
        does("restart")
    assert healthy_targets() == set(before)
    assert all(started_at(name) != moment for name, moment in before.items())
    assert len(traffic.requests) > 50
    assert traffic.failed == [], traffic.messages
    assert traffic.wrong == []


def test_a_detached_host_is_replaced_and_runs_on_without_requests_until_it_is_ended(client, group, healthy_targets, eventually):
    before = healthy_targets()
    out = fleet.in_the_next_ones_zone()
    refusal = is_refused("detach", host="i-0123456789abcdef0")
    assert all(f"{name} InService" in refusal for name in before)
    does("detach", host=out)
    serving = {member["InstanceId"] for member in group()["Instances"]}
    assert serving == healthy_targets()
    assert (len(serving), out in serving) == (2, False)
    assert re.search(rf"{out} us-east-1[ab] detached - ready ", does("status"))
    assert "There are: " in is_refused("status", host="i-000")
    assert "Started pettracker-inference.service" in does("logs", host=out, log="journal")
    assert "ssm-user is 42" in inside(out, "echo $(id -un) is $((6 * 7))")
    does("reboot", host=out)
    with forwarded(out, 8080) as port:
        eventually(lambda: digest_behind(port), bool, within=60)
    said = does("run", command="uptime | wc -l")
    assert all(f"==> {name}: status 0" in said for name in serving)
    assert out not in said
    assert f"leaves {out} terminated" in is_refused("terminate", host=out)
    does("terminate", host=out, confirm="local")
    instances = client("ec2").describe_instances(InstanceIds=[out])["Reservations"][0]["Instances"]
    assert [instance["State"]["Name"] for instance in instances] == ["terminated"]
    assert healthy_targets() == serving


def test_hosts_go_aside_come_back_and_are_rebuilt_and_no_request_fails(healthy_targets):
    aside = fleet.in_the_next_ones_zone()
    with load() as traffic:
        does("scale", desired="3")
        does("drain", host=aside, spare="false")
        assert (aside in healthy_targets(), len(healthy_targets())) == (False, 2)
        does("return", host=aside)
        assert aside in healthy_targets()
        does("detach", host=aside, spare="false")
        does("attach", host=aside)
        assert (aside in healthy_targets(), len(healthy_targets())) == (True, 3)
        does("scale", desired="2", confirm="local")
        before = healthy_targets()
        old = fleet.in_the_next_ones_zone()
        does("replace", host=old, confirm="local")
        assert (before - healthy_targets(), len(healthy_targets())) == ({old}, 2)
    assert fleet.is_whole()
    assert len(traffic.requests) > 50
    assert traffic.failed == [], traffic.messages
    assert traffic.wrong == []
