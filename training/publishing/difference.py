"""What differs between two versions or runs of a model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from training.publishing.versions import Origin, flat

# A value on each side; None where a side has none.
Change = tuple[Any, Any]


@dataclass(frozen=True)
class Difference:
    """The changes from one origin to another, by key; empty where there are none.

    Attributes:
        metrics: both values of each metric, the equal ones too, and the difference where both sides have it.
        programs: dotted keys: "openvino-int8.agreement.top1"; "chosen" is the one that hosts run.
        classes_reordered: the same classes in another order.
        parameters: None where one side's configuration is not in the bucket.
        bytes: size of the bundles.
    """

    metrics: dict[str, dict[str, float | None]]
    programs: dict[str, Change]
    programs_added: list[str]
    programs_removed: list[str]
    input: dict[str, Change]
    classes_added: list[str]
    classes_removed: list[str]
    classes_reordered: bool
    origin: dict[str, Change]
    library_versions: dict[str, Change]
    parameters: dict[str, Change] | None
    bytes: Change

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def difference(old: Origin, new: Origin) -> Difference:
    """Compare two origins."""
    a, b = old.manifest, new.manifest
    common = a["programs"].keys() & b["programs"].keys()
    programs = changes(
        {"chosen": a["program"], **flat({name: a["programs"][name] for name in common})},
        {"chosen": b["program"], **flat({name: b["programs"][name] for name in common})},
    )
    known = old.parameters is not None and new.parameters is not None
    return Difference(
        metrics={
            key: {
                "old": (before := a["metrics"].get(key)),
                "new": (after := b["metrics"].get(key)),
                "delta": None if before is None or after is None else after - before,
            }
            for key in sorted(a["metrics"].keys() | b["metrics"].keys())
        },
        programs=programs,
        programs_added=sorted(b["programs"].keys() - common),
        programs_removed=sorted(a["programs"].keys() - common),
        input=changes(flat(a["input"]), flat(b["input"])),
        classes_added=[name for name in b["classes"] if name not in a["classes"]],
        classes_removed=[name for name in a["classes"] if name not in b["classes"]],
        classes_reordered=a["classes"] != b["classes"] and sorted(a["classes"]) == sorted(b["classes"]),
        origin=changes(_origin(old), _origin(new)),
        library_versions=changes(a["library_versions"], b["library_versions"]),
        parameters=changes(old.parameters or {}, new.parameters or {}) if known else None,
        bytes=(old.bytes, new.bytes),
    )


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Change]:
    """Return the keys whose values differ, with both values."""
    return {key: (old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)}


def _origin(side: Origin) -> dict[str, Any]:
    kept = ("run_id", "data_digest", "data", "weights_sha256", "code_revision", "git_revision", "seed")
    return {"licence": side.manifest["licence"], **{key: side.lineage[key] for key in kept}}
