"""EC2 tags: the names of resource types, filters by them, and when describes show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models import tags
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.tags import TagBackend
from moto.ec2.responses.tags import TagResponse
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE

from localcloud.corrections.patching import NOT_REPORTED, Difference, addition, correction

if TYPE_CHECKING:
    from localcloud.account import Account
    from localcloud.consistency import Consistency

# With moto's spelling amazon.aws finds no tag and sets them anew on every run.
NAMES = Difference(
    "calls NAT gateways and Elastic IP addresses otherwise than in a ResourceType",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TagSpecification.html",
    upstream=NOT_REPORTED,
)
NAT_FILTER = Difference(
    "passes over the filter tag:<key> of NAT gateways and returns all of them",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNatGateways.html",
    upstream=NOT_REPORTED,
)
NEWS = Difference(
    "shows new tags at once",
    aws="https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html",
    upstream=NOT_REPORTED,
)


def apply(account: Account) -> None:
    """Name NAT gateways and Elastic IPs as DescribeTags does, find NAT gateways by their tags, and let describes lag behind."""
    _lag_behind(account.consistency)
    names = EC2_PREFIX_TO_RESOURCE | {"nat": "natgateway", "eipalloc": "elastic-ip"}
    addition(tags, "EC2_PREFIX_TO_RESOURCE", NAMES)(names)

    @correction(NatGatewayBackend, "describe_nat_gateways", NAT_FILTER)
    def filter_by_tag(original: Any, self: Any, filters: Any, nat_gateway_ids: Any) -> Any:
        wanted = {name.removeprefix("tag:"): values for name, values in (filters or {}).items() if name.startswith("tag:")}
        return [
            gateway
            for gateway in original(self, filters, nat_gateway_ids)
            if all(_tag(gateway, key) in values for key, values in wanted.items())
        ]


def _lag_behind(consistency: Consistency) -> None:
    earlier: dict[tuple[str, str], str | None] = {}

    @correction(TagResponse, "create_tags", NEWS)
    def create_tags(original: Any, self: Any) -> Any:
        # What is made with tags has them when it is shown; a describe shows later those that are set afterwards.
        given = {item["Key"]: item.get("Value") for item in self._get_param("Tags", [])}
        backend = self.ec2_backend.tags
        before = {(one, key): backend.get(one, {}).get(key) for one in self._get_param("Resources", []) for key in given}
        answer = original(self)
        for tag, value in before.items():
            if value != given[tag[1]]:
                earlier[tag] = value
                consistency.made(tag)
        return answer

    @correction(TagBackend, "describe_tags", NEWS)
    def describe_tags(original: Any, self: Any, filters: Any = None) -> Any:
        found = original(self, filters)
        for tag in list(found):
            identity = tag["resource_id"], tag["key"]
            if consistency.hidden(tag["resource_id"]):
                found.remove(tag)
            elif consistency.hidden(identity):
                if earlier[identity] is None:
                    found.remove(tag)
                else:
                    tag["value"] = earlier[identity]
        return found


def _tag(resource: Any, key: str) -> str | None:
    return next((tag["value"] for tag in resource.get_tags() if tag["key"] == key), None)
