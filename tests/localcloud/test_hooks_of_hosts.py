"""A host's own code lets its group go on: with its role's credentials from its metadata, by a call that it signs itself."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from inference.lifecycle import Actions, Arrival, Departure
from inference.metadata import Metadata
from localcloud.fleet import groups
from localcloud.metadata.identity import RoleCredentials, find_instance
from localcloud.metadata.instance_data import InstanceView
from localcloud.metadata.server import MetadataServer
from localcloud.settings import Settings
from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.host_keys import COMPLETE_HOOKS, make_role
from tests.localcloud.scaling_group import Group

HOOKS = [
    {"LifecycleHookName": "ready", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"},
    {"LifecycleHookName": "drained", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"},
]


@pytest.fixture
def service() -> Iterator[str]:
    """The address of a service that is ready and has nothing to do."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[tuple[MetadataServer, Metadata]]:
    """The metadata service; a test says whom it takes its caller for."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = MetadataServer(Settings(root=tmp_path, metadata_port=port), lambda _: None, RoleCredentials())
    server.listen("127.0.0.1")
    yield server, Metadata(f"http://127.0.0.1:{port}")
    server.close()


def test_a_host_gets_itself_into_service_and_out_of_it(
    cloud: Cloud, service: str, metadata: tuple[MetadataServer, Metadata], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "INTERVAL", 0.05)
    make_role(cloud, COMPLETE_HOOKS)
    group = Group(cloud, desired=1, LifecycleHookSpecificationList=HOOKS)

    def state() -> str:
        (member,) = group.members()
        return str(member["LifecycleState"])

    eventually(lambda: [one["LifecycleState"] for one in group.members()] == ["Pending:Wait"])
    host = group.members()[0]["InstanceId"]
    group.ec2.associate_iam_instance_profile(IamInstanceProfile={"Name": "service"}, InstanceId=host)
    address = group.address(host)

    def own_view(_: str) -> InstanceView:
        view = find_instance(address)
        assert view
        return replace(view, tags={"AutoScalingGroup": "service"})

    server, client = metadata
    server.lookup = own_view
    actions = Actions(client, cloud.url)
    Arrival(actions, service, "ready").look()
    assert group.settled(1) == [host]
    # Nobody waits for it now, and saying it again does no harm.
    assert not actions.complete("ready")

    departure = Departure(actions, client, service, "drained", log_seconds=0)
    departure.look()
    assert state() == "InService"
    group.asg.update_auto_scaling_group(AutoScalingGroupName="service", MinSize=0)
    group.asg.terminate_instance_in_auto_scaling_group(InstanceId=host, ShouldDecrementDesiredCapacity=True)
    eventually(lambda: state() == "Terminating:Wait")
    departure.look()
    eventually(lambda: ("terminate", host) in cloud.hosts.calls)
