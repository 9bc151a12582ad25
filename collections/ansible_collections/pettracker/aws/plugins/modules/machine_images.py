#!/usr/bin/python

from typing import Any

from ..module_utils.kinds.image import MADE, Image, snapshots_of
from ..module_utils.kinds.kind import Scope, as_set
from ..module_utils.kinds.snapshot import Snapshot
from ..module_utils.module import Module, Result, run_module
from ..module_utils.state import any_differ, as_diff, differences

DOCUMENTATION = r"""
module: machine_images
short_description: Keeps the machine images of an environment as the image build leaves them
description:
  - Of the account's images with O(tags), makes those private that somebody has shared or published, and their snapshots, and
    enables those that somebody has disabled.
  - Takes away a date of deprecation and a list of instance types. A protection against deregistration stays.
  - Makes and removes none; M(pettracker.aws.image_retention) removes old ones. An image that is not complete is left alone.
options:
  tags: {type: dict, required: true, description: "Tags of the environment's images."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Keep the images private
  pettracker.aws.machine_images:
    tags: {Project: pettracker, Environment: dev}
"""


def run(module: Module) -> Result:
    """Compares each image and each of their snapshots, and corrects them unless in check mode."""
    ec2 = module.client("ec2")
    image, snapshot = Image(), Snapshot()
    images = [one for one in image.found(module.client, Scope(module.params["tags"])) if one["State"] in MADE]
    disks = sorted(disk for one in images for disk in snapshots_of(one))
    snapshots = snapshot.listed(ec2, ("snapshot-id", disks)) if disks else []
    kept: list[tuple[Image | Snapshot, Any, str]] = [
        *((image, one, one["Name"]) for one in images),
        *((snapshot, one, one["SnapshotId"]) for one in snapshots),
    ]
    diffs = []
    managed: dict[str, list[str]] = {image.name: [], snapshot.name: []}
    left: dict[str, list[str]] = {}
    for kind, resource, name in kept:
        answers = kind.read(ec2, resource)
        wanted, found = as_set(kind.wanted(), kind.state(answers), kind.deviations(answers))
        diffs.append(as_diff(f"{kind.name} {name}", wanted, found))
        fields = differences(wanted, found)
        if fields and not module.check_mode:
            kind.correct(ec2, answers, fields)
        managed[kind.name].append(resource[kind.key])
        for part, ones in kind.nobodys(answers).items():
            left.setdefault(part, []).extend(f"{name}/{one}" for one in ones)
    return {"changed": any_differ(diffs), "diff": diffs, "managed": managed, "nobodys": left}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not keep the machine images")
