"""CloudWatch log groups. https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ..state import State, differences, tag_changes
from .charges import Fields, Gap, Item, Place, line, plain
from .fields import FIXED, IDENTITY, META, STATUS, TIME, UNSET, Answer, Deviation, Ignored, Marks, Nobodys, compared, each
from .finding import pages, tagged
from .keeping import Kept
from .kind import Answers, Clients, Grant, Owned, Scope, iso_time

DAYS_A_MONTH = Decimal(365) / 12
LOG_GROUPS: Marks = {
    **each(IDENTITY, "logGroupName arn logGroupArn"),
    "creationTime": TIME,
    "storedBytes": STATUS,
    "metricFilterCount": Ignored("the filters themselves are looked at"),
    **compared(retention_days="retentionInDays", kms_key_id="kmsKeyId"),
    "retentionPolicyName": Ignored("an organization's; the days that come of it are compared"),
    "logGroupClass": FIXED,
    **each(UNSET, "dataProtectionStatus deletionProtectionEnabled bearerTokenAuthenticationEnabled"),
    "inheritedProperties": Ignored("the account's own policies, which are nobody's in an environment"),
}
METRIC_FILTERS: Marks = {"metricFilters": Nobodys("metric filter", "filterName"), "nextToken": META}
SUBSCRIPTION_FILTERS: Marks = {"subscriptionFilters": Nobodys("subscription filter", "filterName"), "nextToken": META}


class LogGroup(Kept):
    """Keeps no logs itself: what writes into one, and how long its lines stay, is in its state."""

    name = "log group"
    service = "logs"
    answers = (
        Answer("DescribeLogGroups", "logGroups", LOG_GROUPS),
        Answer("ListTagsForResource", "", compared(tags="tags")),
        Answer("DescribeMetricFilters", "", METRIC_FILTERS),
        Answer("DescribeSubscriptionFilters", "", SUBSCRIPTION_FILTERS),
    )
    look = (
        Grant("logs", "DescribeLogGroups"),
        Grant("logs", "ListTagsForResource", ("arn:{partition}:logs:{region}:{account}:log-group:*",)),
        Grant("logs", "DescribeMetricFilters DescribeSubscriptionFilters", ("log_groups",)),
    )
    change = (
        Grant(
            "logs",
            "AssociateKmsKey CreateLogGroup DeleteDataProtectionPolicy DisassociateKmsKey "
            "PutBearerTokenAuthentication PutLogGroupDeletionProtection PutRetentionPolicy",
            ("log_groups",),
        ),
        Grant("logs", "TagResource UntagResource", ("log_group_tags",)),
    )
    removal = (Grant("logs", "DeleteLogGroup PutLogGroupDeletionProtection", ("log_groups",)),)

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        for arn in tagged(clients, scope, "logs:log-group"):
            name = arn.removesuffix(":*").split(":log-group:")[1]
            for group in _described(clients, name):
                since = iso_time(datetime.fromtimestamp(group["creationTime"] / 1000, UTC))
                yield Owned(name, since=since, fields={"retention_days": group.get("retentionInDays")})

    def remove(self, clients: Clients, identity: str) -> None:
        client = clients("logs")
        if any(group.get("deletionProtectionEnabled") for group in _described(clients, identity)):
            client.put_log_group_deletion_protection(logGroupIdentifier=identity, deletionProtectionEnabled=False)
        client.delete_log_group(logGroupName=identity)

    def read(self, clients: Clients, name: str) -> Answers:
        client = clients("logs")
        group = next(_described(clients, name), None)
        if group is None:
            return {}
        return {
            "DescribeLogGroups": group,
            "ListTagsForResource": client.list_tags_for_resource(resourceArn=_tagged_arn(group)),
            "DescribeMetricFilters": client.describe_metric_filters(logGroupName=name),
            "DescribeSubscriptionFilters": client.describe_subscription_filters(logGroupName=name),
        }

    def state(self, answers: Answers) -> State:
        group = answers["DescribeLogGroups"]
        return {
            "retention_days": group.get("retentionInDays"),
            "kms_key_id": group.get("kmsKeyId"),
            "tags": answers["ListTagsForResource"]["tags"],
        }

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        resource, days = f"{self.name} {name}", fields["retention_days"]
        gb, prices = place.usage["log_gb"], place.prices["cloudwatch"]
        yield line(resource, "cloudwatch", f"{plain(gb)} GB taken in", gb * prices["log_gb"])
        if days is None:
            yield Gap(resource, "it keeps its lines for ever, so that what they cost grows each month")
            return
        kept = gb * days / DAYS_A_MONTH
        yield line(resource, "cloudwatch", f"lines of {days} days", kept * prices["log_gb_month"])

    def deviations(self, answers: Answers) -> list[Deviation]:
        # AWS says for ever that there has been a policy of data protection.
        return [other for other in super().deviations(answers) if other.value not in ("ARCHIVED", "DELETED", "DISABLED")]

    def wanted(self, entry: Mapping[str, Any], found: State | None) -> State:
        return {"retention_days": entry["retention_days"], "kms_key_id": entry.get("kms_key_id"), "tags": dict(entry["tags"])}

    def apply(self, clients: Clients, name: str, wanted: State, answers: Answers) -> None:
        client, key = clients("logs"), wanted["kms_key_id"]
        found = self.state(answers) if answers else wanted | {"retention_days": None}
        if not answers:
            client.create_log_group(logGroupName=name, tags=wanted["tags"], **({"kmsKeyId": key} if key else {}))
        fields = {*differences(wanted, found), *(other.path for other in self.deviations(answers))}
        if "retention_days" in fields:
            client.put_retention_policy(logGroupName=name, retentionInDays=wanted["retention_days"])
        if "kms_key_id" in fields and key:
            client.associate_kms_key(logGroupName=name, kmsKeyId=key)
        elif "kms_key_id" in fields:
            client.disassociate_kms_key(logGroupName=name)
        if "tags" in fields:
            arn = _tagged_arn(answers["DescribeLogGroups"])
            added, gone = tag_changes(wanted["tags"], found["tags"])
            if added:
                client.tag_resource(resourceArn=arn, tags=added)
            if gone:
                client.untag_resource(resourceArn=arn, tagKeys=gone)
        if "data_protection_status" in fields:
            client.delete_data_protection_policy(logGroupIdentifier=name)
        if "deletion_protection_enabled" in fields:
            client.put_log_group_deletion_protection(logGroupIdentifier=name, deletionProtectionEnabled=False)
        if "bearer_token_authentication_enabled" in fields:
            client.put_bearer_token_authentication(logGroupIdentifier=name, bearerTokenAuthenticationEnabled=False)


def _described(clients: Clients, name: str) -> Iterator[dict[str, Any]]:
    groups = pages(clients("logs"), "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    return (group for group in groups if group["logGroupName"] == name)


def _tagged_arn(group: Mapping[str, Any]) -> str:
    """Returns the ARN that calls about tags take: without the star that stands for the streams."""
    return str(group["arn"]).removesuffix(":*")
