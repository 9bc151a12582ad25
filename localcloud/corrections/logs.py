"""CloudWatch Logs: what the Resource Groups Tagging API calls a log group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from moto.logs.models import LogsBackend

from localcloud.corrections.patching import NOT_REPORTED, Difference, correction

if TYPE_CHECKING:
    from localcloud.account import Account

RESOURCE_TYPE = Difference(
    "finds log groups as logs:loggroup, which AWS does not know",
    aws="https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html",
    upstream=NOT_REPORTED,
)


def apply(_account: Account) -> None:
    """Call a log group as AWS does."""

    @correction(LogsBackend, "iter_tagged_resources", RESOURCE_TYPE)
    def iter_tagged_resources(original: Any, self: Any) -> Iterator[Any]:
        for resource in original(self):
            yield replace(resource, resource_type="logs:log-group")
