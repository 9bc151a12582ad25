"""What operations on hosts answer, for people: tables with hosts down and facts across. Pure functions only."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

# Columns of a terminal that a table keeps to.
WIDTH = 100
GAP = "  "
NOTHING = "-"
# Of a digest, after `sha256:`; enough to tell two models apart.
DIGEST = 12
# From how many of the smaller unit on a larger one is used, so that an age has two digits at least.
UNITS = (("s", 1, 120), ("m", 60, 120 * 60), ("h", 3600, 48 * 3600), ("d", 86400, float("inf")))

Host = Mapping[str, Any]


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], cut: Collection[str] = ()) -> list[str]:
    """Returns the lines of a table. Where it is wider than WIDTH, the columns named in `cut` give way, the widest first."""
    cells = [list(heads)] + [[str(cell) if cell not in ("", None) else NOTHING for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    while sum(widths) + len(GAP) * (len(widths) - 1) > WIDTH:
        giving = [column for column, head in enumerate(heads) if head in cut and widths[column] > len(head)]
        if not giving:
            break
        widths[max(giving, key=widths.__getitem__)] -= 1
    return [GAP.join(_fitted(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _fitted(cell: str, width: int) -> str:
    return cell.ljust(width) if len(cell) <= width else cell[: width - 1] + "…"


def age(launched: str, now: datetime) -> str:
    """Returns for how long a host has been there, as `90s`, `12m`, `27h` or `14d`; "" if nobody knows."""
    if not launched:
        return ""
    seconds = max(0.0, (now - _moment(launched)).total_seconds())
    name, unit, _ = next(one for one in UNITS if seconds < one[2])
    return f"{int(seconds // unit)}{name}"


def since(launched: str) -> str:
    """Returns a moment of AWS as UTC, month to minute: the age tells the year, and a table has no room for it."""
    return _moment(launched).astimezone(UTC).strftime("%m-%d %H:%M") if launched else ""


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def of_inventory(name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the dynamic inventory knows of a host, in the words of the other functions."""
    return {
        "instance_id": name,
        "zone": (variables.get("ec2_placement") or {}).get("availability_zone", ""),
        "image": variables.get("ec2_image_id", ""),
        "launched": str(variables.get("ec2_launch_time", "")),
        "role": (variables.get("ec2_tags") or {}).get("Role", ""),
        "name": (variables.get("ec2_tags") or {}).get("Name", ""),
        "state": (variables.get("ec2_state") or {}).get("name", ""),
    }


def own_account(asked: Mapping[str, Any] | None) -> dict[str, str]:
    """Returns what a host's service says of itself: `service` (ready, or why not), `model`, `digest`, and `why`.

    `asked` is the result of playbooks/operate/status.yml's questions, in their order: ready, version.
    """
    answers = [answer for answer in (asked or {}).get("results", []) if isinstance(answer, Mapping)]
    ready, version = [*answers, {}, {}][:2]
    status, content = ready.get("status", -1), str(ready.get("content", ""))
    if status == 200:
        service, why = "ready", ""
    elif status > 0:
        service, why = "not ready", " ".join(content.split())
    else:
        service, why = "no answer", " ".join(str(ready.get("msg", "")).split())
    try:
        model = json.loads(str(version.get("content", "")))["model"]
        named, digest = f"{model['name']} {model['version']}", str(model["digest"]).removeprefix("sha256:")[:DIGEST]
    except (ValueError, KeyError, TypeError):
        named, digest = "", ""
    return {"service": service, "why": why, "model": named, "digest": digest}


def group_lines(name: str, group: Mapping[str, Any]) -> list[str]:
    """Returns how a group is as a whole; `group` is what scaling_group_info returns."""
    size = group["size"]
    return [
        f"{name}: {size['desired_capacity']} hosts wanted, {size['min_size']} to {size['max_size']} allowed",
        *(group["unsettled"] or ["It is whole."]),
        f"A rollout is under way: {group['refresh']}" if group["refresh"] else "No rollout is under way.",
    ]


def fleet_lines(
    members: Iterable[Host], apart: Iterable[Host], accounts: Mapping[str, Mapping[str, str]], now: datetime
) -> list[str]:
    """Returns the members of a group and the hosts that were taken out of it, a line each, and what their releases are.

    Args:
        members: rows of scaling_group_info.
        apart: hosts of the same service that are in no group.
        accounts: `own_account` of each host that was asked; none of them if nobody was.
        now: for their ages.
    """
    hosts = [*members, *({**host, "state": "detached"} for host in apart)]
    if not hosts:
        return ["It has no hosts."]
    heads = ["HOST", "ZONE", "STATE", "TARGET", *(["SERVICE"] if accounts else []), "VERSION", "LAUNCHED UTC", "AGE"]
    rows = [
        [
            *(host["instance_id"], host["zone"], host["state"], host.get("target", "")),
            *([_account(accounts, host)["service"]] if accounts else []),
            *(host.get("version", ""), since(host["launched"]), age(host["launched"], now)),
        ]
        for host in hosts
    ]
    whys = [
        f"{host['instance_id']}: {why}"
        for host in hosts
        for why in (host.get("reason", ""), _account(accounts, host)["why"] if accounts else "")
        if why
    ]
    return [*table(heads, rows, cut=("STATE", "TARGET")), *whys, "", *_releases(hosts, accounts)]


def _account(accounts: Mapping[str, Mapping[str, str]], host: Host) -> Mapping[str, str]:
    return accounts.get(host["instance_id"]) or {"service": "", "why": "", "model": "", "digest": ""}


def _releases(hosts: Sequence[Host], accounts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Returns what hosts run: each version of the launch template, image and model once, and how many have it."""
    found: dict[tuple[str, ...], int] = {}
    for host in hosts:
        account = _account(accounts, host)
        key = (host.get("version", ""), host["image"], account["model"], account["digest"])
        found[key] = found.get(key, 0) + 1
    heads = ["VERSION", "IMAGE", *(["MODEL", "DIGEST"] if accounts else []), "HOSTS"]
    rows = [[*key[: len(heads) - 1], str(count)] for key, count in sorted(found.items())]
    return table(heads, rows, cut=("MODEL",))


def host_lines(hosts: Iterable[Host], now: datetime) -> list[str]:
    """Returns single hosts, a line each: their roles, states and images."""
    heads = ["HOST", "ROLE", "STATE", "ZONE", "IMAGE", "LAUNCHED UTC", "AGE"]
    rows = [
        [host[key] for key in ("instance_id", "role", "state", "zone", "image")]
        + [since(host["launched"]), age(host["launched"], now)]
        for host in hosts
    ]
    return table(heads, rows, cut=("ROLE",))


def printed(host: str, what: str, *outputs: Iterable[str]) -> list[str]:
    """Returns what a host has printed as it is, below a line with its name and what that is."""
    return [f"==> {host}: {what}", *(line for output in outputs for line in output)]
