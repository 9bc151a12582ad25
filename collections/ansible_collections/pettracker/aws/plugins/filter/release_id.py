"""The filter that names a release; how is in module_utils/release_id.py."""

from collections.abc import Callable
from typing import Any

from ..module_utils.release_id import release_id


class FilterModule:
    """The filter, by its name in playbooks."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"as_release_id": release_id}
