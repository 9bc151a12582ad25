"""The policies of the workflows' roles follow from the grants of the kinds."""

from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Grant, Kind
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.registry import KINDS
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.statements import Statement, statements

BUCKETS = ["arn:aws:s3:::one", "arn:aws:s3:::two"]
VALUES: dict[str, Any] = {
    **{"partition": "aws", "region": "us-east-1", "account": "123456789012", "prefix": "pettracker-dev"},
    "tags": {"Environment": "dev"},
    "boundary": "arn:aws:iam::123456789012:policy/b",
    "arns": {"buckets": BUCKETS},
}
EC2 = "arn:{partition}:ec2:{region}:{account}"
OWN = {"StringEquals": {"aws:ResourceTag/Environment": "dev"}}


def kind(*grants: Grant) -> Kind:
    """Return a kind that needs these grants to be changed."""
    return type("Thing", (Kind,), {"change": grants})()


def made(*grants: Grant, **options: Any) -> list[Statement]:
    return statements([kind(*grants)], "change", VALUES, **options)


def test_what_is_allowed_on_the_environments_own_in_ec2_is_one_statement() -> None:
    first = Grant("ec2", "DeleteTags CreateTags", (f"{EC2}:vpc/*",), "own")
    second = Grant("ec2", "CreateTags DeleteTags", (f"{EC2}:subnet/*",), "own")
    place = "arn:aws:ec2:us-east-1:123456789012"
    assert made(first, second) == [
        {
            "Sid": "ChangeEc21",
            "Effect": "Allow",
            "Action": ["ec2:CreateTags", "ec2:DeleteTags"],
            "Resource": f"{place}:*/*",
            "Condition": OWN,
        }
    ]


def test_what_is_made_with_tags_may_be_tagged_while_it_is_made() -> None:
    found = made(Grant("ec2", "CreateVpc", (f"{EC2}:vpc/*",), "making"))
    assert {one["Action"]: one["Condition"]["StringEquals"] for one in found} == {
        "ec2:CreateVpc": {"aws:RequestTag/Environment": "dev"},
        "ec2:CreateTags": {"ec2:CreateAction": "CreateVpc"},
    }


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        ("unclaimed", {"Null": {"aws:ResourceTag/Environment": "true"}}),
        ("bound", {"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::123456789012:policy/b"}}),
        ("own", OWN),
    ],
)
def test_a_condition_is_written_as_iam_writes_it(condition: str, written: dict[str, Any]) -> None:
    (statement,) = made(Grant("s3", "PutBucketAcl", ("buckets",), condition))
    assert statement["Condition"] == written
    assert statement["Resource"] == BUCKETS


def test_a_list_or_a_condition_that_there_is_not_is_no_wider_statement() -> None:
    with pytest.raises(KeyError, match="bukets"):
        made(Grant("s3", "PutBucketAcl", ("bukets",)))
    with pytest.raises(KeyError, match="mine"):
        made(Grant("s3", "PutBucketAcl", ("buckets",), "mine"))


def test_what_is_written_is_not_said_again_but_under_another_condition() -> None:
    written = {"Effect": "Allow", "Action": "s3:Put*", "Resource": BUCKETS}
    assert made(Grant("s3", "PutBucketAcl", ("buckets",)), written=[written]) == []
    assert made(Grant("s3", "PutBucketAcl", ("buckets",)), written=[written | {"Condition": OWN}]) != []


def test_sids_are_unique_and_no_statement_allows_a_wildcard_to_act() -> None:
    arns = {name: [f"arn:aws:x:::{name}"] for kind in KINDS for name in named_lists(kind)}
    for purpose in ("look", "change", "removal"):
        found = statements(KINDS, purpose, VALUES | {"arns": arns})
        assert len({one["Sid"] for one in found}) == len(found) > 5
        assert purpose == "look" or "*" not in [one["Resource"] for one in found]


def named_lists(kind: Kind) -> set[str]:
    grants = (*kind.look, *kind.change, *kind.removal)
    return {resource for grant in grants for resource in grant.resources if resource.isidentifier()}
