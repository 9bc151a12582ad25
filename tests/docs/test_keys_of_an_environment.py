"""The commands of docs/operate.md about keys do what it says, in the order of the page."""

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from bundle.keys import TrustedKey
from delivery.release.keys import keys_file, read, today
from tests.bundle.small import write_keys
from tests.docs.pages import ROOT, blocks, script

PAGE = ROOT / "docs/operate.md"
OWN_NAME = "tests/docs/test_keys_of_an_environment.py"  # with which the page marks what runs here


def test_keys_are_added_listed_rotated_and_revoked(tmp_path: Path) -> None:
    for package in ("bundle", "collections", "delivery", "inventories"):
        shutil.copytree(ROOT / package, tmp_path / package)
    keys_file(tmp_path, "staging").unlink(missing_ok=True)
    models, records, new = (
        TrustedKey(public_key=write_keys(tmp_path, name)[1].read_text()).name for name in ("models", "records", "new")
    )
    (block,) = [block for block in blocks(PAGE) if OWN_NAME in block.run_by]
    stand_ins = {"3f9a0c12": records}
    done = subprocess.run(
        ["bash", "-c", script(block, stand_ins)],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kept = {key.name: key for key in read(keys_file(tmp_path, "staging"))}
    assert {name: key.signs for name, key in kept.items()} == {models: ["models"], records: ["records"], new: ["models"]}
    assert {name: key.revoked for name, key in kept.items() if key.revoked} == {records: "a laptop was stolen"}
    assert kept[models].not_after == today()
    assert (kept[new].not_after or today()) - today() > timedelta(days=360)
