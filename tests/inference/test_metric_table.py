"""A metric is said once: what counts, sends, watches and reports it takes its names from the table."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from inference.metric_table import FILE, METRICS, read
from inference.metrics import Metrics
from inference.telemetry import Telemetry
from tests.roles.controllers import environment_of, inventory_of

ROOT = Path(__file__).parents[2]
NAMES = sorted({name for one in METRICS.values() for name in (one.prometheus, one.cloudwatch) if name})


def test_another_metric_is_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"kind": "counter", "unit": "naps", "prometheus": "cat_naps", "cloudwatch": "CatNaps", "help": "Naps."}
    longer = tmp_path / "metrics.json"
    longer.write_text(json.dumps(json.loads(FILE.read_text()) | {"naps": entry}))
    monkeypatch.setitem(METRICS, "naps", read(longer)["naps"])
    metrics = Metrics()
    metrics.counter("naps").inc()
    assert b"# HELP cat_naps_total Naps.\n# TYPE cat_naps_total counter\ncat_naps_total 1.0\n" in metrics.exposition()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
        agent.bind(("127.0.0.1", 0))
        agent.settimeout(5)
        Telemetry(f"127.0.0.1:{agent.getsockname()[1]}").count("naps", 2, sofa="red")
        assert agent.recv(1024) == b"CatNaps:2|c|#sofa:red"


def test_an_entry_that_says_what_no_metric_has_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "metrics.json"
    wrong.write_text('{"naps": {"kind": "counter", "unit": "naps", "help": "Naps.", "prometeus": "cat_naps"}}')
    with pytest.raises(TypeError, match="prometeus"):
        read(wrong)


def test_a_metric_is_used_as_what_it_is() -> None:
    with pytest.raises(TypeError, match="The metric requests is no gauge"):
        Metrics().gauge("requests")


def test_alarms_and_the_judge_of_rollouts_take_their_names_from_the_table() -> None:
    asked = "{{ {'alarms': alarms_list, 'namespace': metric_namespace, 'judge': rollout_metrics, 'host': host_metrics} }}"
    variables = {"asked": asked, "service_colour": {"group": "cats"}}
    command = [Path(sys.executable).with_name("ansible"), "localhost", *inventory_of("production"), "--one-line"]
    arguments = ["-e", json.dumps(variables), "-m", "debug", "-a", "var=asked"]
    environment = environment_of("http://127.0.0.1:1")
    done = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.partition("=>")[2])["asked"]
    watched = {alarm["metric"] for alarm in said["alarms"] if alarm["namespace"] == said["namespace"]}
    assert watched - set(said["host"].values()) == {METRICS["errors"].cloudwatch}
    assert said["judge"] == {key: METRICS[key].prometheus for key in ("requests", "request_seconds")}


def test_no_other_file_says_a_name() -> None:
    """Tests do, which know what leaves the service, and documents."""
    places = [":(exclude)tests", ":(exclude)docs", ":(exclude)molecule", f":(exclude){FILE.relative_to(ROOT)}"]
    pattern = rf"\b({'|'.join(NAMES)})(_total|_bucket|_count|_sum)?\b"
    command = ["git", "grep", "--untracked", "-nP", pattern, "--", ".", *places]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr) == ("", "")


def test_documents_name_metrics_that_there_are() -> None:
    pages = "".join(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md")))
    said = set(re.findall(r"`((?:Inference|Shadow)[A-Z]\w+)`", pages))
    assert said and said <= set(NAMES)
