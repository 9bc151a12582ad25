#!/usr/bin/python
"""A module that does to its process what modules do, and what they should not."""

import os
import signal
import sys
import tempfile

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "how": {"type": "str", "required": True},
            "secret": {"type": "str", "no_log": True},
            "number": {"type": "int", "default": 1},
        },
        supports_check_mode=True,
    )
    how = module.params["how"]
    if how == "signal":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "raise":
        raise ValueError("nobody thought of this")
    if how == "leave":
        sys.exit(3)
    if how == "return":
        return
    if how == "fail":
        module.fail_json(msg=f"no, {module.params['secret']}", rc=7)
    if how == "chatter":
        print("this is no result")
        print("nor is this", file=sys.stderr)
    if how == "warn":
        module.warn("mind the gap")
        module.deprecate("this goes away", version="99.0", collection_name="ansible.builtin")
    seen = os.environ.get("SEEN")
    os.environ["SEEN"] = "left behind"
    before = os.umask(0)
    os.chdir("/")
    module.exit_json(
        changed=not module.check_mode,
        number=module.params["number"],
        secret=module.params["secret"],
        seen=seen,
        umask=before,
        left=tempfile.mkstemp(dir=module.tmpdir)[1],
        kinds=[None, True, 1.5, "ä", {"a": [1]}],
        ansible_facts={"told": how},
        diff={"before": "a\n", "after": "b\n"},
        stdout="one\ntwo",
    )


if __name__ == "__main__":
    main()
