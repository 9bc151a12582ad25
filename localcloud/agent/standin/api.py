"""The three AWS services that the agent talks to, with the instance role's credentials.

Requests are signed as "AWS Signature Version 4" in the IAM user guide says.
"""

import hashlib
import hmac
import http.client
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

METADATA_HOST = "169.254.169.254"
TIMEOUT = 10  # seconds, for one request
# Credentials are fetched anew this long before they end.
MARGIN = timedelta(minutes=5)


class ApiError(Exception):
    """A service refused a request (`code` is its error code), or did not answer (`code` is empty)."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the error code beside the message."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials of a role."""

    key: str
    secret: str
    token: str
    expires: datetime


def signature(secret: str, day: str, region: str, service: str, text: str) -> str:
    """Return the signature of `text`, the string to sign."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()


def signed_headers(
    credentials: Credentials, region: str, service: str, headers: Mapping[str, str], body: bytes, *, now: datetime
) -> dict[str, str]:
    """Return the headers of a signed POST to `/`; `headers` must have Host."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    all_headers = {name.lower(): value for name, value in headers.items()} | {
        "x-amz-date": stamp,
        "x-amz-security-token": credentials.token,
    }
    names = ";".join(sorted(all_headers))
    lines = "".join(f"{name}:{value}\n" for name, value in sorted(all_headers.items()))
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    proof = signature(credentials.secret, stamp[:8], region, service, text)
    all_headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.key}/{scope}, SignedHeaders={names}, Signature={proof}"
    )
    return all_headers


class Metadata:
    """The instance metadata service, version 2."""

    def __init__(self, host: str = METADATA_HOST) -> None:
        """`host` is where it answers, as `address` or `address:port`."""
        self._host = host

    def get(self, path: str) -> str:
        """Return a document below /latest; raise ApiError when there is none."""
        token = self._request("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        return self._request("GET", f"/latest/{path}", {"X-aws-ec2-metadata-token": token})

    def credentials(self) -> Credentials:
        """Return the credentials of the instance's role."""
        role = self.get("meta-data/iam/security-credentials/").split("\n")[0]
        answer = json.loads(self.get(f"meta-data/iam/security-credentials/{role}"))
        expires = datetime.fromisoformat(answer["Expiration"])
        return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"], expires)

    def _request(self, method: str, path: str, headers: dict[str, str]) -> str:
        connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            body = answer.read().decode()
        except OSError as error:
            raise ApiError("", f"instance metadata did not answer: {error}") from None
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise ApiError(str(answer.status), f"instance metadata answered {answer.status} for {path}")
        return body


class Api:
    """CloudWatch, CloudWatch Logs and the part of EC2 that tells an instance's group."""

    def __init__(self, endpoint: str, region: str, metadata: Metadata) -> None:
        """`endpoint` is AWS_ENDPOINT_URL, over HTTP."""
        self._host = urlsplit(endpoint).netloc
        self._region = region
        self._metadata = metadata
        self._credentials: Credentials | None = None

    def put_metrics(self, namespace: str, data: Iterable[Mapping[str, Any]]) -> None:
        """Send figures: `name`, `timestamp`, `dimensions` and `value`, or `values` with their counts; `unit` if it has one."""
        fields = {"Action": "PutMetricData", "Version": "2010-08-01", "Namespace": namespace}
        for number, figure in enumerate(data, 1):
            member = f"MetricData.member.{number}"
            fields |= {f"{member}.MetricName": figure["name"], f"{member}.Timestamp": figure["timestamp"].isoformat()}
            if "unit" in figure:
                fields[f"{member}.Unit"] = figure["unit"]
            if "value" in figure:
                fields[f"{member}.Value"] = repr(figure["value"])
            for place, (value, count) in enumerate(figure.get("values", {}).items(), 1):
                fields |= {f"{member}.Values.member.{place}": repr(value), f"{member}.Counts.member.{place}": repr(count)}
            for place, (name, value) in enumerate(sorted(figure["dimensions"].items()), 1):
                dimension = f"{member}.Dimensions.member.{place}"
                fields |= {f"{dimension}.Name": name, f"{dimension}.Value": value}
        self._query("monitoring", fields)

    def group_of(self, instance_id: str) -> str | None:
        """Return the name of the Auto Scaling group that an instance belongs to."""
        fields = {"Action": "DescribeTags", "Version": "2016-11-15"}
        for number, (name, value) in enumerate((("resource-id", instance_id), ("key", "aws:autoscaling:groupName")), 1):
            fields |= {f"Filter.{number}.Name": name, f"Filter.{number}.Value.1": value}
        answer = ElementTree.fromstring(self._query("ec2", fields))  # noqa: S314 - the API's own answer
        found = answer.find(".//{*}tagSet/{*}item/{*}value")
        return None if found is None else found.text

    def put_events(self, group: str, stream: str, events: list[dict[str, Any]], retention_days: int | None) -> None:
        """Send log events (`timestamp` in milliseconds, `message`); make group and stream if they are missing."""
        arguments = {"logGroupName": group, "logStreamName": stream, "logEvents": events}
        try:
            self._logs("PutLogEvents", arguments)
        except ApiError as error:
            if error.code != "ResourceNotFoundException":
                raise
            self._make_stream(group, stream, retention_days)
            self._logs("PutLogEvents", arguments)

    def _make_stream(self, group: str, stream: str, retention_days: int | None) -> None:
        names = {"logGroupName": group, "logStreamName": stream}
        try:
            self._logs("CreateLogStream", names)
        except ApiError as error:
            if error.code != "ResourceNotFoundException":
                raise
            self._logs("CreateLogGroup", {"logGroupName": group})
            self._logs("CreateLogStream", names)
        if retention_days is not None:
            self._logs("PutRetentionPolicy", {"logGroupName": group, "retentionInDays": retention_days})

    def _logs(self, action: str, arguments: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Logs_20140328.{action}"}
        self._send("logs", headers, json.dumps(arguments).encode())

    def _query(self, service: str, fields: dict[str, str]) -> str:
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return self._send(service, headers, urlencode(fields).encode())

    def _send(self, service: str, headers: dict[str, str], body: bytes) -> str:
        now = datetime.now(UTC)
        if self._credentials is None or self._credentials.expires - now < MARGIN:
            self._credentials = self._metadata.credentials()
        signed = signed_headers(self._credentials, self._region, service, headers | {"Host": self._host}, body, now=now)
        connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT)
        try:
            connection.request("POST", "/", body, signed)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise ApiError("", f"{service} did not answer: {error}") from None
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            found = re.search(r'"__type":\s*"(?:[^"]*#)?(\w+)"|<Code>(\w+)</Code>', text)
            code = (found[1] or found[2]) if found else str(answer.status)
            raise ApiError(code, f"{service} refused: {code}")
        return text


def milliseconds() -> int:
    """Return now as CloudWatch Logs counts time."""
    return int(time.time() * 1000)
