"""What the documentation of every module that calls AWS has in common."""

import yaml
from ansible_collections.amazon.aws.plugins.doc_fragments import boto3, common, region

PARTS = [yaml.safe_load(part.ModuleDocFragment().MODULES) for part in (common, region, boto3)]

KEPT = (
    "A module that keeps resources returns C(managed), the ids of what it compared, by kind, and C(nobodys), parts of it that "
    "nothing declares and that are left alone."
)


class ModuleDocFragment:
    """The options, notes and requirements of the modules of amazon.aws, under one name."""

    DOCUMENTATION = yaml.safe_dump(
        {
            "author": ["PetTracker ML (@pettracker-ml)"],
            "options": {name: option for part in PARTS for name, option in part.get("options", {}).items()},
            "notes": [KEPT, *(note for part in PARTS for note in part.get("notes", []))],
            "requirements": [one for part in PARTS for one in part.get("requirements", [])],
        }
    )
