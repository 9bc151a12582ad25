"""EC2 tags: the names of resource types."""

from __future__ import annotations

from moto.ec2 import utils


def apply() -> None:
    """Name NAT gateways and Elastic IPs as DescribeTags does."""

    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TagSpecification.html, ResourceType: natgateway,
    # elastic-ip. With moto's spelling amazon.aws finds no tag and sets them anew on every run.
    utils.EC2_PREFIX_TO_RESOURCE["nat"] = "natgateway"
    utils.EC2_PREFIX_TO_RESOURCE["eipalloc"] = "elastic-ip"
