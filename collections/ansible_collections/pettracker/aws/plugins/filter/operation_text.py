"""Filters with which the playbooks of playbooks/operate/ say what there is; the words are in module_utils/operation_text.py."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..module_utils.operation_text import fleet_lines, group_lines, host_lines, of_inventory, own_account, printed


def fleet(
    group: Mapping[str, Any],
    name: str,
    hostvars: Mapping[str, Any],
    *,
    apart: Iterable[str] = (),
    asked: Iterable[str] = (),
    only: Iterable[str] = (),
) -> list[str]:
    """Returns a group and its hosts.

    Args:
        group: what scaling_group_info returns.
        name: of the group.
        hostvars: the inventory's.
        apart: names of detached hosts.
        asked: names of the hosts that were asked what they serve.
        only: names of the hosts to be shown, where that is not all.
    """
    shown = set(only)
    members = [member for member in group["members"] if not shown or member["instance_id"] in shown]
    detached = [of_inventory(host, hostvars[host]) for host in apart if not shown or host in shown]
    accounts = {host: own_account(hostvars[host].get("operate_asked")) for host in asked}
    lines = fleet_lines(members, detached, accounts, datetime.now(UTC)) if members or detached or not shown else []
    return [*group_lines(name, group), "", *lines]


def hosts(names: Iterable[str], hostvars: Mapping[str, Any]) -> list[str]:
    """Returns hosts of the inventory."""
    return host_lines([of_inventory(name, hostvars[name]) for name in names], datetime.now(UTC))


def instance(found: Mapping[str, Any]) -> list[str]:
    """Returns a single host as owned_instance returns it."""
    return host_lines([found], datetime.now(UTC))


class FilterModule:
    """The filters, by their names in playbooks."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"as_fleet_table": fleet, "as_host_table": hosts, "as_instance_table": instance, "as_printed": printed}
