"""EC2 volumes."""

from __future__ import annotations

from typing import Any

from moto.ec2.models.elastic_block_store import Volume

from localcloud.corrections.patching import correction


def apply() -> None:
    """Give volumes the fields that DescribeVolumes always has."""

    @correction(Volume, "__init__")
    def always_say_whether_multi_attach(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Volume.html: multiAttachEnabled is a Boolean; moto
        # leaves it out where nobody set it.
        original(self, *args, **kwargs)
        self.multi_attach_enabled = bool(self.multi_attach_enabled)
