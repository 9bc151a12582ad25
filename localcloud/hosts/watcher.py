"""Notices at once when a host's first process ends, without polling: one thread waits on a file descriptor for each."""

import os
import select
import threading
from collections.abc import Callable


class Watcher:
    """Knows which hosts run. `died(instance_id)` is called in a thread of its own when one ends unasked."""

    def __init__(self, died: Callable[[str], None]) -> None:
        """Start the waiting thread; `close` ends it."""
        self._died = died
        self._states: dict[str, str] = {}
        self._watched: dict[int, str] = {}
        self._processes: dict[str, int] = {}
        self._lock = threading.Lock()
        self._poll = select.epoll()
        self._closed = False
        threading.Thread(target=self._wait, name="host-watcher", daemon=True).start()

    def watch(self, instance_id: str, process: int) -> None:
        """Take a host for running until process id `process` ends."""
        self.forget(instance_id)
        descriptor = os.pidfd_open(process)
        with self._lock:
            self._states[instance_id] = "running"
            self._watched[descriptor] = instance_id
            self._processes[instance_id] = process
        self._poll.register(descriptor, select.EPOLLIN)

    def forget(self, instance_id: str, state: str | None = None) -> None:
        """Stop watching a host that is about to be ended on request; `state` is what it shall be taken for."""
        with self._lock:
            for descriptor in [fd for fd, name in self._watched.items() if name == instance_id]:
                self._drop(descriptor)
            if state is None:
                self._states.pop(instance_id, None)
                self._processes.pop(instance_id, None)
            else:
                self._states[instance_id] = state

    def states(self) -> dict[str, str]:
        """Return `running` or `exited` by instance id."""
        with self._lock:
            return dict(self._states)

    def processes(self) -> dict[str, int]:
        """Return the first process of each host that runs, by instance id."""
        with self._lock:
            return {one: process for one, process in self._processes.items() if self._states.get(one) == "running"}

    def close(self) -> None:
        """Watch nothing any more."""
        with self._lock:
            self._closed = True
            for descriptor in list(self._watched):
                self._drop(descriptor)
            self._states.clear()

    def _drop(self, descriptor: int) -> None:
        del self._watched[descriptor]
        self._poll.unregister(descriptor)
        os.close(descriptor)

    def _wait(self) -> None:
        while not self._closed:
            for descriptor, _ in self._poll.poll(1):
                with self._lock:
                    instance_id = self._watched.get(descriptor)
                    if instance_id is None:
                        continue
                    self._drop(descriptor)
                    self._states[instance_id] = "exited"
                threading.Thread(target=self._died, args=(instance_id,), name=f"end-of-{instance_id}", daemon=True).start()
