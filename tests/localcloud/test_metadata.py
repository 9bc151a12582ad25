"""The metadata service over HTTP on loopback, asked as a host would."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import urllib3

from localcloud.metadata.instance_data import InstanceView
from localcloud.metadata.server import DEFAULT_HOPS, MetadataServer, Tokens
from localcloud.settings import Settings

VIEW = InstanceView(
    instance_id="i-0123456789abcdef0",
    region="us-east-1",
    zone="us-east-1b",
    account_id="123456789012",
    image_id="ami-0123456789abcdef0",
    instance_type="c6i.large",
    private_ip="127.0.0.1",
    mac="02:00:00:00:00:01",
    user_data=b"#!/bin/sh\nexec \xff\n",
    role_name="pettracker-service",
    instance_profile_arn="arn:aws:iam::123456789012:instance-profile/pettracker-service",
    launched=datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
)
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Service:
    """A running service that takes whoever asks from 127.0.0.1 for `view`."""

    port: int
    server: MetadataServer
    view: InstanceView | None = VIEW
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=5))

    def ask(self, method: str, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.pool.request(method, f"http://127.0.0.1:{self.port}{path}", headers=names)

    def token(self, ttl: str = "60") -> str:
        answer = self.pool.request("PUT", f"http://127.0.0.1:{self.port}/latest/api/token", headers={TTL: ttl})
        assert answer.status == 200
        return answer.data.decode()

    def get(self, path: str, token: str | None = None) -> urllib3.BaseHTTPResponse:
        headers = {TOKEN: self.token() if token is None else token}
        return self.pool.request("GET", f"http://127.0.0.1:{self.port}{path}", headers=headers)

    def text(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status == 200, path
        return answer.data.decode()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    port = free_port()
    credentials = {"AccessKeyId": "ASIA1", "SecretAccessKey": "s", "Token": "t", "Expiration": "2030-01-01T00:00:00Z"}
    running: list[Service] = []

    def lookup(address: str) -> InstanceView | None:
        return running[0].view if address == "127.0.0.1" else None

    server = MetadataServer(Settings(root=tmp_path, metadata_port=port), lookup, lambda _view: credentials)
    running.append(Service(port, server))
    server.listen("127.0.0.1")
    yield running[0]
    server.close()


def test_a_request_without_a_token_is_refused_where_tokens_are_required(service: Service) -> None:
    assert service.ask("GET", "/latest/meta-data/instance-id").status == 401
    assert service.text("/latest/meta-data/instance-id") == VIEW.instance_id


def test_version_one_answers_where_tokens_are_optional_but_a_wrong_token_is_still_refused(service: Service) -> None:
    service.view = replace(VIEW, http_tokens="optional")
    assert service.ask("GET", "/latest/meta-data/instance-id").data.decode() == VIEW.instance_id
    assert service.get("/latest/meta-data/instance-id", "made-up").status == 401


@pytest.mark.parametrize("ttl", ["0", "21601", "-1", "1.5", "abc", "", "²"])
def test_a_token_with_a_wrong_time_to_live_is_refused(service: Service, ttl: str) -> None:
    answer = service.pool.request(
        "PUT", f"http://127.0.0.1:{service.port}/latest/api/token", headers={TTL: ttl.encode().decode("latin-1")}
    )
    assert answer.status == 400


def test_a_token_tells_its_time_to_live(service: Service) -> None:
    answer = service.pool.request("PUT", f"http://127.0.0.1:{service.port}/latest/api/token", headers={TTL: "21600"})
    assert (answer.status, answer.headers[TTL]) == (200, "21600")


def test_a_token_ends_with_its_time_and_is_good_for_one_instance_only() -> None:
    clock = [1000.0]
    tokens = Tokens(now=lambda: clock[0])
    token = tokens.issue("i-a", 60)
    assert tokens.valid("i-a", token)
    assert not tokens.valid("i-b", token)
    clock[0] += 60
    assert not tokens.valid("i-a", token)
    assert not Tokens(now=lambda: 1000.0).valid("i-a", token)


def test_an_expired_token_is_refused(service: Service) -> None:
    token = service.token("1")
    service.server.tokens._now = lambda: datetime.now(UTC).timestamp() + 2
    assert service.get("/latest/meta-data/", token).status == 401


def test_a_token_is_not_given_to_a_proxy(service: Service) -> None:
    headers = {TTL: "60", "X-Forwarded-For": "198.51.100.7"}
    answer = service.pool.request("PUT", f"http://127.0.0.1:{service.port}/latest/api/token", headers=headers)
    assert answer.status == 403


def test_a_stranger_and_a_switched_off_endpoint_get_nothing(service: Service) -> None:
    service.view = replace(VIEW, http_endpoint=False)
    assert service.ask("GET", "/latest/meta-data/").status == 403
    service.view = None
    assert service.ask("GET", "/latest/meta-data/").status == 404


def test_other_methods_and_unknown_paths_are_refused(service: Service) -> None:
    assert service.ask("POST", "/latest/meta-data/").status == 405
    assert service.ask("PUT", "/latest/meta-data/instance-id").status == 405
    for path in ("/latest/meta-data/nothing", "/2008-01-01/meta-data/", "/latest/meta-data/public-keys/", "/x"):
        assert service.get(path).status == 404, path
    assert service.get("/latest/meta-data/instance-id/").status == 404


def test_every_listed_path_is_there(service: Service) -> None:
    service.view = replace(
        VIEW, tags={"Name": "pet"}, target_lifecycle_state="InService", vpc_id="vpc-1", security_group_names=("a", "b"),
        spot_action={"action": "terminate", "time": "2024-05-06T07:10:09Z"},
    )  # fmt: skip
    leaves = {}

    def walk(path: str) -> None:
        for name in service.text(path).splitlines():
            if name.endswith("/"):
                walk(path + name)
            else:
                leaves[path + name] = service.get(path + name)

    for folder in ("/latest/meta-data/", "/latest/dynamic/"):
        walk(folder)
    assert all(answer.status == 200 and answer.data for answer in leaves.values())
    values = {path.removeprefix("/latest/meta-data/"): answer.data.decode() for path, answer in leaves.items()}
    assert values["placement/availability-zone"] == "us-east-1b"
    assert values["local-hostname"] == "ip-127-0-0-1.ec2.internal"
    assert values["network/interfaces/macs/02:00:00:00:00:01/vpc-id"] == "vpc-1"
    assert values["security-groups"] == "a\nb"
    assert values["tags/instance/Name"] == "pet"
    assert values["autoscaling/target-lifecycle-state"] == "InService"
    assert json.loads(values["spot/instance-action"])["action"] == "terminate"
    assert values["spot/termination-time"] == "2024-05-06T07:10:09Z"


def test_what_an_instance_has_not_got_is_not_listed(service: Service) -> None:
    service.view = replace(VIEW, role_name=None, user_data=b"")
    listed = service.text("/latest/meta-data/").splitlines()
    assert not {"iam/", "tags/", "spot/", "autoscaling/", "public-keys/"} & set(listed)
    assert service.get("/latest/user-data").status == 404
    assert service.text("/latest/").splitlines() == ["dynamic/", "meta-data/"]


def test_user_data_arrives_byte_for_byte(service: Service) -> None:
    assert service.get("/latest/user-data").data == VIEW.user_data


def test_identity_document_and_credentials(service: Service) -> None:
    document = json.loads(service.text("/latest/dynamic/instance-identity/document"))
    assert document["instanceId"] == VIEW.instance_id
    assert (document["region"], document["availabilityZone"]) == ("us-east-1", "us-east-1b")
    assert document["pendingTime"] == "2024-05-06T07:08:09Z"
    role = service.text("/latest/meta-data/iam/security-credentials/")
    credentials = json.loads(service.text(f"/latest/meta-data/iam/security-credentials/{role}"))
    assert credentials["Code"] == "Success"
    assert credentials["AccessKeyId"] == "ASIA1"
    assert json.loads(service.text("/latest/meta-data/iam/info"))["InstanceProfileArn"] == VIEW.instance_profile_arn


def test_the_hop_limit_is_that_of_token_answers(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    hops: list[int] = []
    original = socket.socket.setsockopt

    def record(self: socket.socket, *arguments: Any) -> None:
        if arguments[:2] == (socket.IPPROTO_IP, socket.IP_TTL):
            hops.append(arguments[2])
        original(self, *arguments)

    monkeypatch.setattr(socket.socket, "setsockopt", record)
    service.view = replace(VIEW, hop_limit=2)
    service.text("/latest/meta-data/instance-id")
    assert hops == [2, DEFAULT_HOPS]


def test_many_hosts_may_ask_at_once_and_a_silent_one_holds_up_nobody(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port)):
        answers: list[str] = []
        threads = [
            threading.Thread(target=lambda: answers.append(service.text("/latest/meta-data/instance-id"))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=10)
    assert answers == [VIEW.instance_id] * 8


def test_listening_twice_and_on_an_address_that_is_not_there_yet(service: Service) -> None:
    service.server.listen("127.0.0.1")
    service.server.listen("192.0.2.77")
    assert service.text("/latest/meta-data/instance-id") == VIEW.instance_id
