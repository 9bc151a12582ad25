#!/usr/bin/python

from botocore.exceptions import ClientError

from ..module_utils.module import Module, Result, run_module

DOCUMENTATION = r"""
module: s3_texts
short_description: Reads small objects of a bucket, as far as they are there
description:
  - Reads several objects in one task. M(amazon.aws.s3_object) reads one a task, and fails where there is none.
  - It never changes anything, so it does in check mode what it does otherwise.
  - In check mode a bucket that is not there holds nothing, since the plan of an empty account comes before its buckets.
options:
  bucket: {type: str, required: true, description: "The bucket of the objects."}
  keys: {type: list, elements: str, required: true, description: "Keys of the objects. They need not exist."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Read a model's manifest and signature
  pettracker.aws.s3_texts:
    bucket: models
    keys: [production/pets/1.0.0/manifest.json, production/pets/1.0.0/model.sig]
"""

RETURN = r"""
texts: {type: dict, returned: always, description: "The text of each object that exists, by its key."}
"""

# Texts become variables of a play, which are no place for more.
LARGEST = 2**20


def run(module: Module) -> Result:
    """Returns the result; fails the module when an object is no short text, or there is no bucket."""
    client, bucket = module.client("s3"), module.params["bucket"]
    texts: dict[str, str] = {}
    for key in module.params["keys"]:
        try:
            found = client.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "NoSuchKey" or (code == "NoSuchBucket" and module.check_mode):
                continue
            raise
        if found["ContentLength"] > LARGEST:
            module.fail_json(msg=f"s3://{bucket}/{key} has {found['ContentLength']} bytes, too many for a variable")
        try:
            texts[key] = found["Body"].read().decode()
        except UnicodeDecodeError:
            module.fail_json(msg=f"s3://{bucket}/{key} is no text in UTF-8")
    return {"changed": False, "texts": texts}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not read from {bucket}", no_log={"keys": False})
