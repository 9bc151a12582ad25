"""How kinds find what carries an environment's tags, without reading the tags of everything that there is in the account."""

from collections.abc import Iterator
from typing import Any

from .kind import Client, Clients, Scope


def pages(client: Client, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
    """Yields what all pages of an answer hold under `key`."""
    if not client.can_paginate(operation):
        yield from getattr(client, operation)(**parameters)[key]
        return
    for page in client.get_paginator(operation).paginate(**parameters):
        yield from page[key]


def tagged(clients: Clients, scope: Scope, resource_type: str) -> list[str]:
    """Returns the ARNs of what carries the tags, as the Resource Groups Tagging API knows them, which forgets nothing at once.

    So whoever asks looks whether each is still there.
    https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
    """
    filters = [{"Key": key, "Values": [value]} for key, value in scope.tags.items()]
    asked = {"ResourceTypeFilters": [resource_type], "TagFilters": filters}
    found = pages(clients("resourcegroupstaggingapi"), "get_resources", "ResourceTagMappingList", **asked)
    return sorted(resource["ResourceARN"] for resource in found)
