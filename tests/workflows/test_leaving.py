"""After `make destroy`, `make unbootstrap` leaves nothing of the bootstrap in AWS or on GitHub; before it, it refuses."""

import re

import pytest
from ansible.parsing.dataloader import DataLoader

from tests.roles.inventory_values import Values
from tests.workflows.conftest import PREFIX, REPOSITORY, ROOT, Made


def test_nothing_goes_while_the_environment_has_something_that_needs_it(made: Made) -> None:
    assert made.kept.status != 0
    said = re.sub(r"\\s+", " ", made.kept.said)
    assert "staging still has" in said
    assert f"{PREFIX}-builder" in said
    assert "First make destroy ENV=staging CONFIRM=staging" in said
    assert made.kept.asked == ""


def test_then_all_of_it_goes_and_a_second_run_changes_nothing(made: Made) -> None:
    assert made.gone.status == 0, made.gone.said
    assert made.left == set()
    first, second = made.gone.said.split("PLAY RECAP")[0].split("PLAY [Unbootstrap]")[1:]
    assert f"policy {PREFIX}-boundary" not in second
    assert (first.count("changed: "), second.count("changed: ")) == (3, 1)  # the stand-in for GitHub forgets nothing
    environment = f"repos/{REPOSITORY}/environments/staging"
    assert f"DELETE {environment}/variables/AWS_ROLE_ARN" in made.gone.asked
    assert f"DELETE {environment}\n" in made.gone.asked


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("An error occurred (AccessDenied) when calling the ListRoles operation", "Only an administrator"),
        ("An error occurred (UnauthorizedOperation) when calling DescribeVpcs", "Only an administrator"),
        ("staging still has an address.", ""),
    ],
)
def test_whoever_lacks_the_rights_is_told_whose_it_takes(said: str, told: str) -> None:
    (play,) = DataLoader().load_from_file(str(ROOT / "playbooks/unbootstrap.yml"), trusted_as_template=True)
    (end,) = play["tasks"][0]["rescue"]
    values = Values("staging", ansible_failed_result={"msg": said}, **play["vars"])
    message = values.value(end["ansible.builtin.fail"]["msg"])
    assert message.startswith(said)
    assert ("Only an administrator" in message) == bool(told)
