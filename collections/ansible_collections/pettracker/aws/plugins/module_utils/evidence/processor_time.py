"""How long a process computed and how long it waited for a processor, by the kernel's own count.

The source is `/proc/<pid>/task/<tid>/schedstat` (https://docs.kernel.org/scheduler/sched-stats.html). Python's standard
library only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"  # proc_net_tcp(5)
NANOSECONDS = 1e9


@dataclass(frozen=True)
class Spent:
    """Seconds for which a thread, or a process, computed, and for which it was ready to and had no processor."""

    computing: float = 0.0
    waiting: float = 0.0


def listener(port: int) -> int | None:
    """Returns the process that listens on a TCP port of this host; None where there is none that one may see."""
    wanted = {f"socket:[{inode}]" for inode in _listening_sockets(port)}
    for link in PROC.glob("[0-9]*/fd/*") if wanted else ():
        try:
            if str(link.readlink()) in wanted:
                return int(link.parts[-3])
        except OSError:  # it has ended meanwhile, or is another user's
            continue
    return None


def _listening_sockets(port: int) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        table = PROC / "net" / name
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
            if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                yield inode


def threads(process: int) -> dict[int, Spent]:
    """Returns what each thread of a process has spent since it began; nothing where no kernel counts, or it is gone."""
    spent = {}
    try:
        for thread in (PROC / str(process) / "task").iterdir():
            computing, waiting, _ = (thread / "schedstat").read_text().split()
            spent[int(thread.name)] = Spent(int(computing) / NANOSECONDS, int(waiting) / NANOSECONDS)
    except (OSError, ValueError):
        return {}
    return spent


def between(begin: Mapping[int, Spent], end: Mapping[int, Spent]) -> Spent | None:
    """Returns what all threads of a process have spent between two readings; None where it was not counted.

    Threads that work side by side also wait side by side, so their waits may add up to more than the time that has passed.
    """
    if not begin or not end:
        return None
    nothing = Spent()
    return Spent(
        sum(spent.computing - begin.get(thread, nothing).computing for thread, spent in end.items()),
        sum(spent.waiting - begin.get(thread, nothing).waiting for thread, spent in end.items()),
    )
