#!/usr/bin/python

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..module_utils.module import Module, Result, run_module

DOCUMENTATION = r"""
module: s3_fingerprint
short_description: Tells whether what lies below an address in S3 has changed
description:
  - Lists the objects, and makes one digest of their keys, sizes and entity tags. Nothing is downloaded.
  - Fails when there is nothing.
options:
  url: {type: str, required: true, description: "Address of an object, or of all below a prefix: C(s3://bucket/pets)."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: See which photos there are
  pettracker.aws.s3_fingerprint:
    url: s3://datasets/pets
"""

RETURN = r"""
sha256: {type: str, returned: always, description: "The digest, in hexadecimal."}
objects: {type: int, returned: always, description: "How many objects there are."}
"""


def fingerprint(objects: Iterable[Mapping[str, Any]]) -> str:
    """Returns one digest of all keys, sizes and entity tags, whatever their order."""
    facts = sorted([item["Key"], item["Size"], item["ETag"]] for item in objects)
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def run(module: Module) -> Result:
    """Returns the result; fails the module when the address is none, or there is nothing."""
    url = module.params["url"]
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        module.fail_json(msg=f"{url} is no address in S3: write s3://bucket/prefix")
    prefix = parts.path.strip("/")
    pages = module.client("s3").get_paginator("list_objects_v2").paginate(Bucket=parts.netloc, Prefix=prefix)
    listed = [item for page in pages for item in page.get("Contents", [])]
    # `pets` is not `pets-old`.
    objects = [item for item in listed if not prefix or item["Key"] == prefix or item["Key"].startswith(f"{prefix}/")]
    if not objects:
        module.fail_json(msg=f"{url} holds nothing: upload the data, or correct the address")
    return {"changed": False, "sha256": fingerprint(objects), "objects": len(objects)}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not list the objects")
