#!/usr/bin/python

from datetime import UTC, datetime

from ..module_utils.image_retention import deregister, described, images_in_use, own_images, superfluous
from ..module_utils.module import Module, Result, run_module
from ..module_utils.state import removal

DOCUMENTATION = r"""
module: image_retention
short_description: Removes the machine images of an environment that nothing needs any more
description:
  - Of the account's images with O(tags), the newest verified ones stay, and all to which an instance refers, or a version of a
    launch template that is the default or the latest, that a group has, or that an instance refresh is about.
  - The others are deregistered with their snapshots, unless they are protected. Images that are not verified stay for a day,
    for somebody may be making them.
options:
  tags: {type: dict, required: true, description: "Tags of the environment's images, launch templates and groups."}
  keep: {type: int, required: true, description: "How many of the newest verified images stay in any case, 1 or more."}
  in_use: {type: list, elements: str, default: [], description: "Ids of images that are needed for another reason."}
  to_be_made: {type: int, default: 0, description: "How many images a plan makes before this."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Remove old images
  pettracker.aws.image_retention:
    tags: {Project: pettracker, Environment: dev}
    keep: 5
"""

RETURN = r"""
removed: {type: list, elements: str, returned: always, description: "Ids of the images that are removed, oldest first."}
"""


def run(module: Module) -> Result:
    """Looks at the images and what refers to them, and removes what is left over unless in check mode."""
    given = module.params
    if given["keep"] < 1:
        module.fail_json(msg="keep is 1 or more: without an image, no host can be started.")
    ec2, autoscaling = module.client("ec2"), module.client("autoscaling")
    in_use = {*given["in_use"], *images_in_use(ec2, autoscaling, given["tags"])}
    images = own_images(ec2, given["tags"])
    old = superfluous(images, in_use, given["keep"], datetime.now(UTC), given["to_be_made"])
    if not module.check_mode:
        problems = [problem for image in old for problem in deregister(ec2, image)]
        if problems:
            module.fail_json(
                msg=f"The images are gone, and these of their snapshots are still there, at a price: {', '.join(problems)}. "
                "CloudTrail's event DeleteSnapshot has the reason; delete them by hand."
            )
    diffs = [removal(f"image {image['Name']}", described(image)) for image in old]
    return {"changed": bool(old), "diff": diffs, "removed": [image["ImageId"] for image in old]}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not remove old images")
