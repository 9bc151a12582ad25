"""Comparing a wanted state with a found one."""

from ansible_collections.pettracker.aws.plugins.module_utils.state import (
    as_diff,
    canonical_policy,
    differences,
    tags_to_dict,
    tags_to_list,
)


def test_policies_that_mean_the_same_compare_equal() -> None:
    ours = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["b", "a"]},
            {"Effect": "Deny", "Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": False}}},
        ],
    }
    theirs = (
        '{"Version": "2012-10-17", "Statement": ['
        '{"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}, "Action": "s3:*"},'
        '{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["a", "b"]}]}'
    )
    assert canonical_policy(ours) == canonical_policy(theirs)


def test_policies_that_differ_in_one_resource_compare_different() -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/production/*"}
    wider = statement | {"Resource": "arn:aws:s3:::models/*"}
    assert canonical_policy({"Statement": statement}) != canonical_policy({"Statement": wider})


def test_fields_that_only_aws_knows_are_no_difference() -> None:
    assert differences({"size": 2}, {"size": 2, "desired": 7}) == []


def test_everything_differs_from_nothing() -> None:
    assert differences({"b": 1, "a": None}, None) == ["a", "b"]


def test_a_diff_shows_only_what_differs() -> None:
    diff = as_diff("group", {"size": 2, "name": "x"}, {"size": 3, "name": "x"})
    assert diff["before"] == {"size": 3}
    assert diff["after"] == {"size": 2}


def test_tags_that_aws_sets_are_not_ours() -> None:
    tags = [{"Key": "aws:autoscaling:groupName", "Value": "g"}, {"Key": "Name", "Value": "n"}]
    assert tags_to_dict(tags) == {"Name": "n"}
    assert tags_to_list({"b": "2", "a": "1"}) == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
