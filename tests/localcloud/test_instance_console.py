"""What a host has written while it booted is found when the host itself can not be entered."""

from tests.localcloud.conftest import Cloud
from tests.plugins.loading import load


def test_the_last_lines_of_each_host_that_has_written_any(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    said, xen, silent = (
        ec2.run_instances(ImageId=cloud.base_image, MinCount=1, MaxCount=1, InstanceType=kind)["Instances"][0]["InstanceId"]
        for kind in ("c5.large", "t2.micro", "c5.large")
    )
    cloud.hosts.consoles = {said: "booting\n\ncurl: (6) Could not resolve host\nFailed.\n", xen: "booting\n"}
    consoles = load("modules", "instance_console").consoles
    assert consoles(ec2, {"instance-state-name": ["pending", "running"]}, 2) == {
        said: ["curl: (6) Could not resolve host", "Failed."],
        xen: ["booting"],
    }
    assert consoles(ec2, {"image-id": "ami-0123456789abcdef0"}, 2) == {}
    cloud.hosts.consoles = {silent: "x" * 100_000 + "end\n"}
    (kept,) = consoles(ec2, {"instance-id": silent}, 2)[silent]
    assert (len(kept), kept[-3:]) == (65_535, "end")
