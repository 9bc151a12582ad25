"""Ports from the environment, variables for clients, certificates."""

import shutil
import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from localcloud.access.access_key import new_key
from localcloud.balancer.certificates import issue
from localcloud.environment import shell_lines
from localcloud.errors import LocalCloudError
from localcloud.settings import Settings


def test_ports_come_from_the_environment() -> None:
    settings = Settings.from_environment({"LOCALCLOUD_API_PORT": "14566"})
    assert (settings.api_port, settings.https_port, settings.http_port) == (14566, 8443, 8080)
    assert settings.endpoint == "http://127.0.0.1:14566"


@pytest.mark.parametrize("text", ["", "0", "65536", "http", "-1"])
def test_what_is_not_a_port_is_refused_with_the_variables_name(text: str) -> None:
    with pytest.raises(LocalCloudError, match="LOCALCLOUD_HTTPS_PORT"):
        Settings.from_environment({"LOCALCLOUD_HTTPS_PORT": text})


def test_one_port_for_two_things_is_refused() -> None:
    with pytest.raises(LocalCloudError, match="both port 8443"):
        Settings.from_environment({"LOCALCLOUD_API_PORT": "8443"})


def test_the_patience_of_a_refresh_comes_from_the_environment() -> None:
    assert Settings.from_environment({}).refresh_patience == 3600
    assert Settings.from_environment({"LOCALCLOUD_REFRESH_PATIENCE": "120"}).refresh_patience == 120
    with pytest.raises(LocalCloudError, match="LOCALCLOUD_REFRESH_PATIENCE='soon' is not a number"):
        Settings.from_environment({"LOCALCLOUD_REFRESH_PATIENCE": "soon"})


def test_the_pace_of_telemetry_comes_from_the_environment() -> None:
    settings = Settings.from_environment({"LOCALCLOUD_TELEMETRY_PERIOD": "60", "LOCALCLOUD_SCALE_IN_DATAPOINTS": "3"})
    assert (settings.telemetry_period, settings.scale_in_datapoints) == (60, 3)


def test_the_nodes_of_a_balancer_take_their_time_unless_somebody_takes_it_from_them() -> None:
    # kubernetes-sigs/aws-load-balancer-controller#1064: a target gets requests for some seconds after it was deregistered.
    assert Settings.from_environment({}).routing_delay > 0
    assert Settings.from_environment({"LOCALCLOUD_ROUTING_DELAY": "0"}).routing_delay == 0


def test_what_aws_does_not_tell_of_alarms_comes_from_the_environment() -> None:
    asked = {"LOCALCLOUD_TELEMETRY_PERIOD": "10", "LOCALCLOUD_METRIC_DELAY": "120", "LOCALCLOUD_ALARM_EXTRA_PERIODS": "9"}
    settings = Settings.from_environment(asked)
    assert (settings.arrival.total_seconds(), settings.alarm_extra_periods) == (20, 9)
    assert not Settings.from_environment({}).arrival
    with pytest.raises(LocalCloudError, match="LOCALCLOUD_METRIC_DELAY='-1' is not a number from 0 upwards"):
        Settings.from_environment({"LOCALCLOUD_METRIC_DELAY": "-1"})


def test_how_long_new_things_are_unknown_comes_from_the_environment() -> None:
    assert Settings.from_environment({"LOCALCLOUD_CONSISTENCY_DELAY": "0.5"}).consistency_delay == 0.5
    with pytest.raises(LocalCloudError, match="LOCALCLOUD_CONSISTENCY_DELAY='soon' is no time"):
        Settings.from_environment({"LOCALCLOUD_CONSISTENCY_DELAY": "soon"})


@pytest.mark.parametrize("text", ["0", "7", "120", "fast"])
def test_a_period_that_does_not_divide_a_minute_is_refused(text: str) -> None:
    with pytest.raises(LocalCloudError, match="LOCALCLOUD_TELEMETRY_PERIOD"):
        Settings.from_environment({"LOCALCLOUD_TELEMETRY_PERIOD": text})


def test_the_clone_is_where_the_package_is() -> None:
    assert (Settings.from_environment({}).root / "localcloud" / "settings.py").is_file()


def test_a_shell_can_source_the_variables(tmp_path: Path) -> None:
    root = tmp_path / "a clone with 'odd' name"
    file = tmp_path / "env"
    file.write_text(shell_lines(Settings(root=root), new_key()))
    shell = shutil.which("sh")
    assert shell is not None
    command = f'. {file} && printf "%s|%s|%s" "$AWS_ENDPOINT_URL" "$AWS_EC2_METADATA_DISABLED" "$SERVICE_CA"'
    done = subprocess.run([shell, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == f"http://127.0.0.1:4566|true|{root}/.localcloud/tls/ca.pem"


def test_the_certificate_is_for_localhost_and_its_key_is_private(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path)
    issue(settings)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.tls_dir / "server.pem", settings.tls_dir / "server-key.pem")
    assert stat.S_IMODE((settings.tls_dir / "server-key.pem").stat().st_mode) == 0o600
    names = subprocess.run(
        ["openssl", "x509", "-in", str(settings.tls_dir / "server.pem"), "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "DNS:localhost" in names
    assert "IP Address:127.0.0.1" in names
