"""Writes a model directory and a configuration for TorchServe, and becomes it. Needs Java 17.

BENCH_WORKERS: worker processes; BENCH_BATCH: photos inferred together at most.
"""

import json
import os
import shutil
import sys
from pathlib import Path

BATCH_WAIT_MILLISECONDS = 20


def write_store(scratch: Path) -> None:
    """Lay out a model as torch-model-archiver's form `no-archive` does."""
    model = scratch / "store" / "resnet"
    (model / "MAR-INF").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("torchserve_handler.py"), model / "handler.py")
    manifest = {
        "createdOn": "01/01/2026 00:00:00",
        "runtime": "python",
        "model": {"modelName": "resnet", "handler": "handler.py", "modelVersion": "1.0"},
        "archiverVersion": "0.12.0",
    }
    (model / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))


def configuration(port: int, workers: int, batch: int) -> str:
    """Return config.properties: loopback only, one model, its workers and batching."""
    model = {
        "defaultVersion": True,
        "marName": "resnet",
        "minWorkers": workers,
        "maxWorkers": workers,
        "batchSize": batch,
        "maxBatchDelay": BATCH_WAIT_MILLISECONDS,
        "responseTimeout": 60,
    }
    lines = [
        f"inference_address=http://127.0.0.1:{port}",
        f"management_address=http://127.0.0.1:{port + 1}",
        f"metrics_address=http://127.0.0.1:{port + 2}",
        "max_request_size=20000000",
        "job_queue_size=1000",
        f"models={json.dumps({'resnet': {'1.0': model}})}",
    ]
    return "\n".join(lines) + "\n"


def main(scratch: Path) -> None:
    write_store(scratch)
    port, workers = int(os.environ["BENCH_PORT"]), int(os.environ["BENCH_WORKERS"])
    properties = scratch / "config.properties"
    properties.write_text(configuration(port, workers, int(os.environ.get("BENCH_BATCH", "1"))))
    os.environ["LOG_LOCATION"] = os.environ["METRICS_LOCATION"] = str(scratch / "logs")
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[3])
    os.chdir(scratch)
    # By itself TorchServe remembers its process in the shared temporary directory and refuses to start beside another.
    os.environ["TMPDIR"] = str(scratch)
    torchserve = Path(sys.executable).with_name("torchserve")
    arguments = ["--start", "--foreground", "--ncs", "--disable-token-auth", "--model-store", str(scratch / "store")]
    arguments += ["--ts-config", str(properties), "--models", "resnet=resnet"]
    os.execv(torchserve, [str(torchserve), *arguments])  # noqa: S606 - no shell, and nothing of it is anybody's input


if __name__ == "__main__":
    main(Path(sys.argv[1]))
