"""The way back to what was served before, and releases that need none."""

import boto3
import fleet
import images
import pytest
import rollouts


def releases_before(current: str) -> list[dict]:
    """Return the releases that were deployed and are of another image than `current`, the latest one last."""
    deployed = [report["release"] for report in rollouts.reports() if report["outcome"] == "deployed"]
    return [release for release in deployed if release["image_id"] != current]


@pytest.fixture
def settled(roll_out, watched) -> None:
    """A fleet that serves what a rollout would bring, whatever the test before has left."""
    with watched():
        assert roll_out().status == 0


@pytest.mark.usefixtures("settled")
@pytest.mark.timeout(1200)
def test_an_unchanged_release_changes_nothing(roll_out):
    before, reports = fleet.in_service(), len(rollouts.reports())
    again = roll_out()
    assert again.status == 0
    assert rollouts.changes(again.output) == 0
    assert fleet.in_service() == before
    assert len(rollouts.reports()) == reports


@pytest.mark.usefixtures("settled")
@pytest.mark.timeout(1500)
def test_a_rollback_without_a_name_returns_to_the_release_before_and_says_so(image, roll_out, watched):
    earlier, served = fleet.image(), image()
    with watched() as (traffic, _):
        assert roll_out().status == 0
        assert fleet.image() == served
        back = roll_out("rollback")
    assert back.status == 0
    report = back.report()
    assert (report["kind"], report["outcome"], report["release"]["image_id"]) == ("rollback", "deployed", earlier)
    assert back.says(f"The fleet serves {report['release']['id']}.")
    deployed = boto3.client("ssm").get_parameter(Name="/pettracker/local/release/deployed")["Parameter"]["Value"]
    assert deployed.endswith(f"/{report['release']['id']}.json")
    assert fleet.is_whole()
    assert fleet.image() == earlier
    assert traffic.failed == []
    assert traffic.wrong == []


@pytest.mark.timeout(900)
def test_a_rollback_to_a_release_whose_image_is_gone_is_refused(image, roll_out, watched):
    if not releases_before(fleet.image()):
        image()
        with watched():
            assert roll_out().status == 0
    gone = releases_before(fleet.image())[-1]
    images.remove(gone["image_id"])
    before, version = fleet.in_service(), fleet.version()
    refused = roll_out("rollback", rollback_to=gone["id"])
    assert refused.status not in (0, None)
    assert refused.says(f"the fleet cannot go back to {gone['id']}")
    assert refused.says(f"{gone['image_id']} is not there any more")
    assert (fleet.in_service(), fleet.version()) == (before, version)
