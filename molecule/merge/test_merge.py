"""What the workflows do for a merge, on the running rehearsal, which stands for every environment in turn.

It is the same make targets in the same order, and ends with the rehearsal as it was. About twenty minutes, most of them for the
new image and its two rollouts.

The tests are steps: each begins where the one before has ended. `make play-merge` runs them, and stops at the first that fails.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

ROOT = Path(__file__).parents[2]
MERGED = ROOT / "inventories/local/group_vars/all/merged.yml"  # read after main.yml, so what it says goes
UNDER_LOAD = "python molecule/shared/traffic.py "  # a release proves itself on requests
OF_GITHUB_OR_A_PERSON = ("GITHUB_REPOSITORY", "GITHUB_SHA", "PLAN_RUN", "TO", "CONFIRM")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in OF_GITHUB_OR_A_PERSON}
ENVIRONMENT |= {"ENV": "local", "REVIEWED": ".cache/plan/local/review.json"}


@pytest.fixture(scope="module", autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    MERGED.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def image() -> str:
    """The image that the fleet has before another one is made."""
    return newest_image()


def say(what: str) -> None:
    print(f"\n\n\033[1m==> {what}\033[0m", flush=True)


def succeeds(command: str) -> bool:
    return subprocess.run(command.split(), cwd=ROOT, env=ENVIRONMENT, check=False).returncode == 0


def run(command: str) -> None:
    assert succeeds(command), f"Not as it should be: {command}"


def refused(command: str) -> None:
    assert not succeeds(command), f"Not as it should be: this had to be refused: {command}"


def merge(line: str) -> None:
    with MERGED.open("a") as file:
        file.write(f"{line}\n")


def changes() -> list[str]:
    """Return the changes of the last plan."""
    plan = json.loads((ROOT / ".cache/plan/local/plan.json").read_text())
    fields = [[f"{one['path']}: {one['before']} -> {one['after']}" for one in each["fields"]] for each in plan["changes"]]
    return [" ".join([each["kind"], each["name"], *of]) for each, of in zip(plan["changes"], fields, strict=True)]


def newest_image() -> str:
    """Return the id of the last image that is verified."""
    verified = [{"Name": "tag:Verified", "Values": ["true"]}]
    images = boto3.client("ec2").describe_images(Owners=["self"], Filters=verified)["Images"]
    newest: str = max(images, key=lambda image: image["CreationDate"])["ImageId"]
    return newest


def delay(seconds: int) -> None:
    """Change by hand how long a balancer waits for a host that leaves."""
    elb = boto3.client("elbv2")
    elb.modify_target_group_attributes(
        TargetGroupArn=elb.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"],
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(seconds)}],
    )


def merged_delay() -> int:
    """Return what the inventory says of that."""
    variables = (ROOT / "inventories/local/group_vars/all/main.yml").read_text()
    return int(re.findall(r"^load_balancer_deregistration_delay: (\d+)", variables, re.MULTILINE)[0])


def test_bootstrap() -> None:
    say("Bootstrap: the roles of the workflows, and the boundary of those of hosts")
    MERGED.write_text("ci_repository: rehearsal/pettracker-ml\n")
    run("make bootstrap apply")
    run("make plan")
    assert changes() == [], "a plan after apply has changes"


def test_a_plan_that_violates_a_guard_rail_fails() -> None:
    say("A merge request lets a training host with a GPU run for ever: its plan says so and fails")
    before = MERGED.read_text()
    merge("training_instance_type: g5.xlarge\ntraining_instance_maximum_hours: 100")
    refused("make plan")
    refused("make policy")
    MERGED.write_text(before)


def test_a_plan_says_what_a_merge_request_does() -> None:
    say("A merge request changes one variable; its plan says what that does")
    merge(f"load_balancer_deregistration_delay: {merged_delay() + 1}")
    run("make plan plan-comment")
    print(*changes(), sep="\n")
    assert len(changes()) == 1, "one variable is one change"


def test_a_change_by_hand_stops_the_deployment() -> None:
    say("Somebody changes the same by hand before the merge: the deployment stops")
    delay(merged_delay() + 20)
    refused("make deploy")
    delay(merged_delay())


def test_the_merge_is_deployed() -> None:
    say("Merged: staging, a question to its fleet, production")
    run("make deploy smoke")  # staging
    run("make deploy smoke")  # production: the rehearsal has it already, as an interrupted deployment that is run again


def test_drift_is_named_and_repaired() -> None:
    say("Drift: somebody changes something by hand, it is named, and apply repairs it")
    run("make drift")
    delay(merged_delay() + 20)
    refused("make drift-issue")
    run("make apply drift")


def test_an_image_is_made_anew_and_rolled_out(image: str) -> None:
    say(
        "Image refresh: an option of the hosts has changed, so the plan says that the model is baked again, "
        "and it is rolled out"
    )
    merge("inference_service_log_keep: 8")
    run("make plan")
    assert any(each.startswith("image pettracker-local") for each in changes()), "the plan does not say that an image is made"
    merge("model_min_accuracy: 0")  # the packaged model of the rehearsal names no accuracy of its own
    run("make release")
    assert newest_image() != image, "the image was not made anew"
    run(UNDER_LOAD + "make rollout")
    run("make smoke")


def test_a_rollback_brings_back_the_image_from_before() -> None:
    say("Rollback: the image from before")
    run(UNDER_LOAD + "make rollback")
    run("make smoke")


def test_a_pin_of_that_image_leaves_nothing_to_do(image: str) -> None:
    say("Merged: the image is pinned that the fleet went back to, so nothing is left to do")
    merge(f"service_image_id: {image}")
    run("make plan")
    assert changes() == [], "the pin goes back as well, and the plan has changes"


def test_all_is_as_it_was() -> None:
    say("As it was")
    MERGED.unlink()
    boto3.client("ec2").deregister_image(ImageId=newest_image())
    run("make apply plan")
    assert changes() == [], "a plan after apply has changes"
    print("The merge was played to its end.")
