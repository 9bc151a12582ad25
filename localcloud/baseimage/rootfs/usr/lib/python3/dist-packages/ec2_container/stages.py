"""Runs several of cloud-init's boot stages in one process: python3 -m ec2_container.stages "init --local" "init".

Every stage spends most of its time importing cloud-init (0.4 s of a core), which decides how fast a host is ready when
several start at once. cloud-init 24.3 does the same for the same reason.
"""

import shlex
import sys

from cloudinit.cmd.main import main


def run(stages: list[str]) -> int:
    """Run the stages in order, all of them even if one fails; return the first failure's exit status, else 0."""
    statuses = [main(["cloud-init", *shlex.split(stage)]) or 0 for stage in stages]
    return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
