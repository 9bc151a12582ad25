"""What the bootstrap asks GitHub, and the settings that it leaves there for the workflows."""

import json
from typing import Any

import pytest

from delivery.connection.connect import Roles, connect, disconnect
from delivery.connection.subject import subject
from delivery.errors import DeliveryError
from tests.delivery.fake_github import FakeGitHub

ROLES = Roles("arn:plan", "arn:deploy", "arn:destroy")


@pytest.fixture
def github() -> FakeGitHub:
    return FakeGitHub()


def test_connecting_makes_environments_that_only_main_deploys_to(github: FakeGitHub) -> None:
    assert list(connect("acme/pets", "production", ROLES, 2, github))
    assert set(github.policies) == {("production", "main"), ("production-destroy", "main")}
    for name in ("production", "production-destroy"):
        assert github.environments[name]["reviewers"] == [{"type": "User", "id": 7}]
        assert github.environments[name]["prevent_self_review"]
    assert github.variables["environments/production"] == {"AWS_ROLE_ARN": "arn:deploy"}
    assert github.variables["environments/production-destroy"] == {"AWS_ROLE_ARN": "arn:destroy"}


def test_staging_needs_no_approval_but_its_teardown_does(github: FakeGitHub) -> None:
    list(connect("acme/pets", "staging", ROLES, 1, github))
    assert github.environments["staging"]["reviewers"] is None
    assert github.environments["staging-destroy"]["reviewers"]


def test_an_environment_asks_by_its_stage_and_not_by_its_name(github: FakeGitHub) -> None:
    list(connect("acme/pets", "tokyo", ROLES, 2, github))
    assert github.environments["tokyo"]["reviewers"] == [{"type": "User", "id": 7}]


def test_connecting_again_changes_nothing_and_another_environment_joins(github: FakeGitHub) -> None:
    list(connect("acme/pets", "staging", ROLES, 1, github))
    assert list(connect("acme/pets", "staging", ROLES, 1, github)) == []
    list(connect("acme/pets", "production", ROLES, 2, github))
    known = json.loads(github.variables["actions"]["AWS_ENVIRONMENTS"])
    assert known == [
        {"env": "production", "plan_role": "arn:plan", "stage": 2},
        {"env": "staging", "plan_role": "arn:plan", "stage": 1},
    ]


def test_disconnecting_forgets_one_environment_and_leaves_the_other(github: FakeGitHub) -> None:
    for name, stage in (("staging", 1), ("production", 2)):
        list(connect("acme/pets", name, ROLES, stage, github))
    assert len(list(disconnect("acme/pets", "staging", github))) == 5
    assert set(github.environments) == {"production", "production-destroy"}
    assert json.loads(github.variables["actions"]["AWS_ENVIRONMENTS"]) == [
        {"env": "production", "plan_role": "arn:plan", "stage": 2}
    ]
    assert list(disconnect("acme/pets", "staging", github)) == []
    list(disconnect("acme/pets", "production", github))
    assert not github.environments
    assert not any(github.variables.values())


def test_an_environment_with_a_secret_stays_without_its_role(github: FakeGitHub) -> None:
    list(connect("acme/pets", "staging", ROLES, 1, github))
    github.secrets["staging"] = ["RELEASE_SIGNING_KEY"]
    github.variables["environments/staging"]["SMOKE_FILE"] = "row.json"
    said = "\n".join(disconnect("acme/pets", "staging", github))
    assert "staging: stays, for it holds RELEASE_SIGNING_KEY, SMOKE_FILE" in said
    assert set(github.environments) == {"staging"}
    assert github.variables["environments/staging"] == {"SMOKE_FILE": "row.json"}
    (again,) = disconnect("acme/pets", "staging", github)
    assert "removed" not in again


# https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments: which plans have which rules.
@pytest.mark.parametrize(
    ("rules", "complaints"),
    [
        ({"deployment_branch_policy"}, {"production: nobody is asked", "production-destroy: nobody is asked"}),
        (
            set(),
            {
                "production: nobody is asked",
                "production: open to branches",
                "production-destroy: nobody is asked",
                "production-destroy: open to branches",
            },
        ),
    ],
)
def test_rules_that_a_plan_does_not_have_are_left_out_and_named(
    github: FakeGitHub, rules: set[str], complaints: set[str]
) -> None:
    github.rules = rules
    for _ in range(2):  # as long as they are missing
        said = list(connect("acme/pets", "production", ROLES, 2, github))
        found = {sentence for sentence in said if "settings of the repository" in sentence}
        assert len(found) == len(complaints)
        assert all(any(complaint in sentence for sentence in found) for complaint in complaints)
    assert github.variables["environments/production"] == {"AWS_ROLE_ARN": "arn:deploy"}


def test_an_environment_that_a_job_has_made_gets_its_rules_before_its_role(github: FakeGitHub) -> None:
    # As GitHub makes it for a job that names one which is not there: without any rule.
    github.environments["production"] = {}
    said = "\n".join(connect("acme/pets", "production", ROLES, 2, github))
    assert "production: was open to branches other than main, and is no longer" in said
    assert "production: asked nobody, and asks you from now on" in said
    assert ("production", "main") in github.policies
    assert github.environments["production"]["reviewers"] == [{"type": "User", "id": 7}]
    assert github.environments["production"]["prevent_self_review"]
    written = github.calls.index(("PUT", "repos/acme/pets/environments/production"))
    assert written < github.calls.index(("POST", "repos/acme/pets/environments/production/variables"))
    assert list(connect("acme/pets", "production", ROLES, 2, github)) == []


def test_what_somebody_has_chosen_is_kept_when_a_rule_is_added(github: FakeGitHub) -> None:
    list(connect("acme/pets", "production", ROLES, 2, github))
    chosen = [{"type": "Team", "id": 3}, {"type": "User", "id": 9}]
    github.environments["production"] |= {"reviewers": chosen, "wait_timer": 30}
    github.policies.append(("production", "release/*"))
    (said,) = connect("acme/pets", "production", ROLES, 2, github)
    assert "was open to branches other than main" in said
    assert [policy for where, policy in github.policies if where == "production"] == ["main"]
    assert github.environments["production"]["reviewers"] == chosen
    assert github.environments["production"]["wait_timer"] == 30
    assert github.environments["production"]["prevent_self_review"]


# Who may not push to main may well push a tag of that name. Where there is none, nobody is let in, not even main.
@pytest.mark.parametrize("instead", [[("production", "refs/tags/main")], []])
def test_a_tag_named_as_main_is_not_let_in_and_main_is(github: FakeGitHub, instead: list[tuple[str, str]]) -> None:
    list(connect("acme/pets", "production", ROLES, 2, github))
    github.policies.remove(("production", "main"))
    github.policies += instead
    (said,) = connect("acme/pets", "production", ROLES, 2, github)
    assert "was open to branches other than main" in said
    assert [policy for where, policy in github.policies if where == "production"] == ["main"]


def test_an_approval_of_ones_own_deployment_is_named_and_left_to_who_is_alone(github: FakeGitHub) -> None:
    list(connect("acme/pets", "production", ROLES, 2, github))
    github.environments["production"]["prevent_self_review"] = False
    for _ in range(2):
        (said,) = connect("acme/pets", "production", ROLES, 2, github)
        assert "production: who starts a deployment may approve it" in said


@pytest.mark.parametrize(
    ("rules", "protection"), [([], {}), ([{"type": "deletion"}], {}), ([], {"required_status_checks": {"contexts": ["ci"]}})]
)
def test_a_main_branch_that_anybody_may_push_to_gets_no_roles(
    github: FakeGitHub, rules: list[dict[str, Any]], protection: dict[str, Any]
) -> None:
    github.branch_rules, github.protection = rules, protection
    with pytest.raises(DeliveryError, match=r"can push to main.*require a pull request"):
        list(connect("acme/pets", "staging", ROLES, 1, github))
    assert not github.environments
    assert not github.variables


@pytest.mark.parametrize(
    ("rules", "protection", "complaints"),
    [
        ([], {"required_pull_request_reviews": {"required_approving_review_count": 1}}, ["no check has to pass"]),
        ([{"type": "pull_request", "parameters": {"required_approving_review_count": 0}}], {}, ["no approval", "no check"]),
        (
            [{"type": "pull_request", "parameters": {"required_approving_review_count": 2}}],
            {"required_status_checks": {"contexts": ["ci"]}},
            [],
        ),
        (403, {}, ["GitHub has no rules of branches"]),  # of a private repository, in GitHub's plan Free
    ],
)
def test_what_the_rules_of_main_lack_is_named(
    github: FakeGitHub, rules: list[dict[str, Any]] | int, protection: dict[str, Any], complaints: list[str]
) -> None:
    github.branch_rules, github.protection = rules, protection
    said = [sentence for sentence in connect("acme/pets", "staging", ROLES, 1, github) if sentence.startswith("main: ")]
    assert len(said) == len(complaints)
    assert all(complaint in sentence for complaint, sentence in zip(complaints, said, strict=True))
    assert github.variables["environments/staging"] == {"AWS_ROLE_ARN": "arn:deploy"}


def test_whoever_may_not_administer_is_told_so(github: FakeGitHub) -> None:
    def forbidden(method: str, path: str, fields: Any = None) -> Any:
        if method == "PUT":
            raise DeliveryError("Must have admin rights to Repository. (HTTP 403)")
        return github(method, path, fields)

    with pytest.raises(DeliveryError, match="admin rights"):
        list(connect("acme/pets", "staging", ROLES, 1, forbidden))


# The answers of GitHub to a repository made before, and after, 2026-07-15; the flag is of what somebody opted into, not of
# what is in force. GitHub Enterprise Server knows no prefix.
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"use_immutable_subject": False, "sub_claim_prefix": "repo:acme/pets"}, "repo:acme/pets"),
        ({"use_immutable_subject": True, "sub_claim_prefix": "repo:acme@1234/pets@5678"}, "repo:acme@1234/pets@5678"),
        ({"use_immutable_subject": False, "sub_claim_prefix": "repo:acme@1234/pets@5678"}, "repo:acme@1234/pets@5678"),
        ({"use_immutable_subject": True}, "repo:acme@1234/pets@5678"),
        ({}, "repo:acme/pets"),
    ],
)
def test_tokens_are_known_by_the_subject_that_github_gives_them(
    github: FakeGitHub, answer: dict[str, Any], expected: str
) -> None:
    github.subject = {"use_default": True} | answer
    assert subject("acme/pets", github) == expected


@pytest.mark.parametrize("prefix", ["repo:acme@1/pets@5678", "repo:evil/pets", "repo:acme/*", "repo:acme/pets:ref"])
def test_a_subject_of_another_repository_is_refused(github: FakeGitHub, prefix: str) -> None:
    github.subject["sub_claim_prefix"] = prefix
    with pytest.raises(DeliveryError, match="no name of it"):
        subject("acme/pets", github)


def test_a_subject_of_its_own_making_is_refused_with_the_way_back(github: FakeGitHub) -> None:
    github.subject = {"use_default": False, "include_claim_keys": ["repo", "actor"]}
    with pytest.raises(DeliveryError, match=r"repo, actor.*use_default=true"):
        subject("acme/pets", github)


def test_a_repository_that_was_renamed_is_refused_by_its_old_name(github: FakeGitHub) -> None:
    with pytest.raises(DeliveryError, match=r"acme/pets now: write that into ci_repository"):
        subject("acme/cats", github)
