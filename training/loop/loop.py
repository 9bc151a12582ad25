"""The loop over epochs and steps."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from training.config import ProjectConfig
from training.data import Data
from training.data.batches import Batches
from training.export.revision import code_revision
from training.loop import lineage
from training.loop.checkpoints import Checkpoint, Position, write_weights
from training.loop.errors import InterruptedTraining, TrainingError
from training.loop.interruption import Interruption
from training.loop.learner import Learner, Tally, class_weights, seed_everything, standardisation
from training.loop.processes import Processes
from training.loop.progress import Progress
from training.loop.reporting import Curves, Reporter, write_history
from training.loop.store import Store
from training.networks import build
from training.run import Lineage, Run


@dataclass(frozen=True)
class Options:
    """How a training is run; the configuration says what is trained.

    Attributes:
        checkpoints: s3://bucket/prefix of copies of the checkpoints; "": none.
        spot_notices: base URL of the instance metadata service; "": none.
    """

    checkpoints: str = ""
    spot_notices: str = ""


def train(
    config: ProjectConfig, data: Data, run: Run, options: Options, *, processes: Processes, reporter: Reporter
) -> Lineage:
    """Train from the last checkpoint on, or from the start, and return the lineage of the weights.

    The same seed gives the same weights bit for bit, on the same machine and with the same number of threads, however often
    the training was interrupted.

    Raises:
        TrainingError: the run was started otherwise, the loss is no number, or a checkpoint cannot be kept.
        InterruptedTraining: somebody asked to stop; a checkpoint is written.
        NetworkError: the network cannot be built.
    """
    run.root.mkdir(parents=True, exist_ok=True)
    with _deterministic():
        session = _Session(config, data, run, options, processes=processes, reporter=reporter)
        interruption = Interruption()
        with interruption.watched(options.spot_notices if processes.first else "", reporter.warn):
            session.go_on(interruption)
        return session.finish()


class _Session:
    """One process's part of a training, from its start or resumption to its end or interruption."""

    def __init__(
        self, config: ProjectConfig, data: Data, run: Run, options: Options, *, processes: Processes, reporter: Reporter
    ) -> None:
        self._config, self._data, self._run = config, data, run
        self._processes, self._reporter = processes, reporter
        self._code = code_revision()
        self._git = lineage.git_revision()
        seed_everything(config.training.seed)
        built = build(config, len(data.classes), len(data.feature_names))
        fitted = (built.mean, built.std) if built.mean and built.std else standardisation(data.train)
        self._normalisation: tuple[tuple[float, ...], tuple[float, ...]] = fitted
        classes = len(data.classes)
        weights = class_weights(data.train, classes) if config.training.class_weights == "balanced" else torch.ones(classes)
        sizes = self._batches(1, train=True).sizes
        if min(sizes) < processes.size:
            raise TrainingError(f"{processes.size} processes cannot share batches of {min(sizes)} items")
        self._learner = Learner(config, built, fitted, weights=weights, steps=len(sizes), processes=processes)
        self._store = Store(run, options.checkpoints, reporter.warn)
        self._written: Position | None = None
        self._progress = self._restored() or Progress(lineage.new_run_id(), lineage.now())
        self._since = time.monotonic()
        if processes.first:
            run.write_config(config)
            write_history(run.history_file, self._progress.history)
            self._write_lineage("training")

    def go_on(self, interruption: Interruption) -> None:
        """Train until the last epoch is done, or no longer gets better."""
        chosen, progress = self._config.training, self._progress
        curves = Curves(self._run.tensorboard, progress.history) if self._processes.first else None
        try:
            with self._reporter.shown(chosen.epochs, len(progress.history)):
                while not progress.done(chosen.epochs, chosen.early_stopping):
                    record = self._epoch(interruption)
                    best = progress.add(record, chosen.early_stopping.min_delta if chosen.early_stopping else 0.0)
                    if best:
                        progress.best_weights = self._learner.weights()
                    self._save()
                    if curves:
                        curves.add(record)
                    self._reporter.epoch(record, chosen.epochs, best)
        finally:
            if curves:
                curves.close()

    def finish(self) -> Lineage:
        """Declare the run done. Raises TrainingError: S3 does not have the last checkpoint."""
        if self._processes.first:
            self._store.finish()
            self._write_lineage("finished")
        self._processes.total([0.0])  # nobody reads run.json before it is written
        return self._run.lineage()

    def _epoch(self, interruption: Interruption) -> dict[str, Any]:
        progress = self._progress
        epoch = progress.position.epoch
        began, before = time.monotonic(), progress.epoch_seconds
        batches = self._batches(epoch, train=True, start_batch=progress.position.batch)
        self._reporter.phase(f"training {epoch}", progress.position.batch + len(batches), progress.position.batch)
        done_before = progress.tally.items
        for inputs, labels in batches:
            tally, stop = self._learner.learn(inputs, labels, progress.position, interruption.reason is not None)
            progress.tally += tally
            progress.position = Position(epoch, progress.position.batch + 1)
            progress.epoch_seconds = before + time.monotonic() - began
            self._reporter.step((progress.tally.items - done_before) / (time.monotonic() - began))
            if stop:
                self._stop(interruption)
        trained = progress.epoch_seconds
        validation = self._validated(interruption)
        return {
            "epoch": epoch,
            "train_loss": progress.tally.mean_loss,
            "train_accuracy": progress.tally.accuracy,
            "validation_loss": validation.mean_loss,
            "validation_accuracy": validation.accuracy,
            "learning_rate": self._learner.head_learning_rate,
            "items_per_second": progress.tally.items / trained,
            "seconds": before + time.monotonic() - began,
            "time": time.time(),
        }

    def _validated(self, interruption: Interruption) -> Tally:
        batches = self._batches(0, train=False)
        self._reporter.phase("validation", len(batches), 0)
        self._learner.share_statistics()
        total, began = Tally(), time.monotonic()
        for inputs, labels in batches:
            tally, stop = self._learner.judge(inputs, labels, interruption.reason is not None)
            total += tally
            self._reporter.step(total.items / (time.monotonic() - began))
            if stop:
                self._stop(interruption)
        return total

    def _batches(self, epoch: int, *, train: bool, start_batch: int = 0) -> Batches:
        chosen = self._config.training
        return Batches(
            self._data.train if train else self._data.validation,
            self._config,
            batch_size=chosen.batch_size,
            epoch=epoch,
            train=train,
            seed=chosen.seed,
            rank=self._processes.rank,
            world_size=self._processes.size,
            start_batch=start_batch,
        )

    def _stop(self, interruption: Interruption) -> None:
        self._save()
        epoch, batch = self._progress.position
        reason = interruption.reason or "another process"
        raise InterruptedTraining(reason, f"epoch {epoch}, step {batch}")

    def _save(self) -> None:
        """Write a checkpoint, and what people read of it."""
        now = time.monotonic()
        self._progress.seconds += now - self._since
        self._since = now
        if not self._processes.first or self._progress.position == self._written:
            return
        progress, best = self._progress.state()
        learner, tensors = self._learner.state()
        state = {
            "config": self._config.model_dump(mode="json"),
            "data_digest": self._data.digest,
            "code_revision": self._code,
            "progress": progress,
            "learner": learner,
        }
        # The weights go first: without their checkpoint they are made again, and a checkpoint never lacks its weights.
        if self._progress.best_epoch == len(self._progress.history) and self._progress.position.batch == 0:
            write_weights(self._run.weights, self._progress.best_weights)
        self._store.write(Checkpoint(self._progress.position, state, {**tensors, **best}))
        self._written = self._progress.position
        write_history(self._run.history_file, self._progress.history)
        self._write_lineage("training")

    def _restored(self) -> Progress | None:
        """Return the progress of the last checkpoint, which the learner goes on from; None where there is none."""
        found = self._found()
        if found is None:
            return None
        digests = (found.state["data_digest"], self._data.digest)
        lineage.check_same(found.state["config"], self._config, digests)
        if found.state["code_revision"] != self._code:
            self._reporter.warn("the training code has changed since the checkpoint was written")
        self._learner.restore(found.state["learner"], found.tensors)
        progress = Progress.restored(found.state["progress"], found.tensors)
        if self._processes.first and progress.best_weights:
            write_weights(self._run.weights, progress.best_weights)
        self._written = found.position
        self._reporter.say(f"going on at epoch {found.position.epoch}, step {found.position.batch + 1}")
        return progress

    def _found(self) -> Checkpoint | None:
        # The first process fetches and sorts out; the others, on the same disk, read what is left.
        return self._processes.first_then_others(self._store.newest)

    def _write_lineage(self, status: str) -> None:
        progress, data = self._progress, self._data
        best = progress.best or {"validation_loss": 0.0, "validation_accuracy": 0.0}
        mean, std = self._normalisation
        self._run.write_lineage(
            Lineage(
                run_id=progress.run_id,
                name=self._config.name,
                data_digest=data.digest,
                data_items={"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
                code_revision=self._code,
                git_revision=self._git,
                seed=self._config.training.seed,
                classes=data.classes,
                mean=list(mean),
                std=list(std),
                feature_names=data.feature_names,
                library_versions=lineage.library_versions(),
                status="finished" if status == "finished" else "training",
                started=progress.started,
                finished=lineage.now() if status == "finished" else "",
                seconds=progress.seconds,
                best_epoch=progress.best_epoch,
                validation_loss=best["validation_loss"],
                validation_accuracy=best["validation_accuracy"],
            )
        )


@contextmanager
def _deterministic() -> Iterator[None]:
    """Choose deterministic algorithms, as far as there are any: on CUDA some layers have none, and torch says so."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
