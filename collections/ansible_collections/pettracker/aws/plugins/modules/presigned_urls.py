#!/usr/bin/python

from ..module_utils.module import Module, Result, run_module

DOCUMENTATION = r"""
module: presigned_urls
short_description: Signs addresses from which a host may fetch objects for a while, or to which it may write them
description:
  - Signs one address for each key, in one task. M(amazon.aws.s3_object) signs one address a task.
  - An address lets whoever has it read that object, or write it, until it expires, or until the signer's own credentials do.
options:
  bucket: {type: str, required: true, description: "The bucket of the objects."}
  keys: {type: list, elements: str, required: true, description: "Keys of the objects. They need not exist."}
  method: {type: str, choices: [get, put], default: get, description: "Whether the bearer may read the objects or write them."}
  expiry: {type: int, default: 600, description: "Seconds for which the addresses are good; Signature Version 4 allows a week."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Sign the addresses of two objects
  pettracker.aws.presigned_urls:
    bucket: releases
    keys: [wheelhouse/a.tar.gz, wheelhouse/b.tar.gz]
"""

RETURN = r"""
urls: {type: dict, returned: always, description: "The address of each key."}
"""

LONGEST = 7 * 24 * 3600


def run(module: Module) -> Result:
    """Returns the result; fails the module when `expiry` is out of range."""
    expiry = module.params["expiry"]
    if not 1 <= expiry <= LONGEST:
        module.fail_json(msg=f"expiry is {expiry}: write a number of seconds from 1 to {LONGEST}, which is a week")
    # Objects encrypted with a KMS key can only be read with Signature Version 4.
    client = module.client("s3", config={"signature_version": "s3v4"})
    bucket, operation = module.params["bucket"], f"{module.params['method']}_object"
    urls = {
        key: client.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key}, ExpiresIn=expiry)
        for key in module.params["keys"]
    }
    return {"changed": False, "urls": urls}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not sign the addresses", no_log={"keys": False})
