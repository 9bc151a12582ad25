"""Seconds from RunInstances to a new host's first prediction, in the running rehearsal.

One host after the other is started from the service's launch template, as the fleet does, asked directly at its
private address and terminated. It is held against requirement P11: new instances ready within 60 seconds of launch.
"""

import statistics
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import click

PROMISED_SECONDS = 60
PHOTO = Path(__file__).parents[1] / "tests" / "data" / "cat.jpg"


def first_prediction_seconds(photo: bytes, timeout: float = 90) -> float:
    """Start one host, wait for its first answer with status 200, terminate it; return the seconds until then."""
    compute = boto3.client("ec2")
    subnet = compute.describe_subnets(Filters=[{"Name": "cidr-block", "Values": ["10.0.11.0/24"]}])["Subnets"][0]
    started = time.monotonic()
    instance = compute.run_instances(
        MinCount=1,
        MaxCount=1,
        LaunchTemplate={"LaunchTemplateName": "pettracker-local-service", "Version": "$Latest"},
        SubnetId=subnet["SubnetId"],
    )["Instances"][0]
    url = f"http://{instance['PrivateIpAddress']}:8080/predict"
    try:
        while time.monotonic() - started < timeout:
            request = urllib.request.Request(url, data=photo, headers={"Content-Type": "image/jpeg"})
            try:
                with urllib.request.urlopen(request, timeout=2) as answer:
                    answer.read()
                    return time.monotonic() - started
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise click.ClickException(f"{instance['InstanceId']} did not answer within {timeout:.0f} s")
    finally:
        compute.terminate_instances(InstanceIds=[instance["InstanceId"]])


@click.command(help=__doc__)
@click.option("--runs", default=5, show_default=True, type=click.IntRange(1, 20))
def main(runs: int) -> None:
    """Print each run, the median and its ratio to the promise."""
    seconds = []
    for number in range(1, runs + 1):
        seconds.append(first_prediction_seconds(PHOTO.read_bytes()))
        click.echo(f"run {number}: {seconds[-1]:.1f} s")
    median = statistics.median(seconds)
    click.echo(f"median {median:.1f} s, slowest {max(seconds):.1f} s")
    click.echo(f"ratio to the promised {PROMISED_SECONDS} s: {median / PROMISED_SECONDS:.2f}")


if __name__ == "__main__":
    main()
