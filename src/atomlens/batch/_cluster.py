"""Where the work is done: processes of this computer, or the workers of a scheduler that runs already."""

from __future__ import annotations

import logging
import multiprocessing
from contextlib import contextmanager

_PATIENCE_S = 15  # until a scheduler that does not answer is given up
# A task is tried on so many workers that die before it becomes a suspect, which is then tried alone.
_DEATHS = 2
_MEMORY = 0.8  # of what this computer (or container) has, for all workers together
_SETTINGS = {
    "distributed.scheduler.allowed-failures": _DEATHS - 1,
    # A worker in the middle of compiled code may be silent for long; one that died is seen at once.
    "distributed.scheduler.worker-ttl": "1 hour",
    # Frames of movies are sent with their tasks, so that those of a lost worker can be sent again.
    "distributed.admin.large-graph-warning-threshold": "1 TiB",
    # What Dask writes down about its own work grows for thousands of tasks, and nobody looks at it here.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.low-level-log-length": 100,
    "distributed.admin.system-monitor.log-length": 100,
}
_GUARD = (
    "worker processes read the script that starts them: put what calls atomlens.batch under "
    "`if __name__ == '__main__':`"
)


@contextmanager
def connected(scheduler, workers, memory):
    """A `distributed.Client`, closed at the end together with the processes that were started for it."""
    import dask
    import distributed  # noqa: F401 - its defaults have to be there before they are set aside

    with dask.config.set(_SETTINGS):
        if scheduler is None:
            with _local(workers, memory) as cluster, _client(cluster, "this computer") as client:
                yield client
        else:
            address = getattr(scheduler, "scheduler_address", scheduler)
            if not isinstance(address, str):
                raise TypeError(
                    f"scheduler must be an address such as 'tcp://node:8786', or a cluster, got {scheduler!r}"
                )
            with _client(address, address) as client:
                yield client


@contextmanager
def _local(workers, memory):
    from distributed import LocalCluster
    from distributed.system import MEMORY_LIMIT

    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(_GUARD)
    try:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # without one it would take the port 8787
            scheduler_kwargs={"dashboard": False},
            worker_dashboard_address=None,
            preload=["atomlens.batch._deaf"],
            memory_limit=int(_MEMORY * MEMORY_LIMIT / workers) if memory is None else memory,
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        raise RuntimeError(f"the worker processes did not start ({error}). In a script, {_GUARD}") from error
    with cluster:
        yield cluster


@contextmanager
def _client(place, name):
    from distributed import Client

    try:
        client = Client(place, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"no scheduler answers at {name} within {_PATIENCE_S} s ({type(error).__name__}): is it running, "
            "is the address right (tcp://host:port), and does a firewall let it through?"
        ) from error
    with client:
        yield client


def threads(client):
    """How many parts can be worked on at once now."""
    return sum(client.nthreads().values())


def memory_of(client):
    """The memory limit of the smallest worker, in words."""
    limits = [w["memory_limit"] for w in client.scheduler_info(n_workers=-1)["workers"].values()]
    return f"{min(limits) / 2**30:.1f} GB" if limits and min(limits) else "none"
