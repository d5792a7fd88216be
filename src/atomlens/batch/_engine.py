"""Parts to workers and back: never more of them on the way than needed, and none lost with a worker."""

from __future__ import annotations

import importlib
import itertools
import pickle
import queue
import time
import uuid
import warnings

from atomlens.batch import _cluster, _folder, _work

_AHEAD = 28  # small files that wait at the scheduler, so that no worker waits for them
# Seconds between saves of failures, counts of workers, looks at the clock
_SAVE_S, _COUNT_S, _POLL_S = 5.0, 10.0, 0.5
_LOST = 2  # counts in a row without a worker: one that died is replaced within seconds
_RESENT = 3  # times that a part is sent again after it was cancelled by someone else


class Engine:
    """Work on parts, each at most once at a time.

    `sources` may give None: nothing to do now, but perhaps later.
    """

    def __init__(self, work, sources, out, token, *, total, force, progress, unit):
        self.work, self.out, self.token, self.force = work, out, token, force
        self.sources = iter(sources)
        self.failures = _folder.failures(out)
        self.counts = dict.fromkeys(("done", "kept", "partly", "failed"), 0)
        self.changed, self.saved = not (out / _folder.FAILURES).exists(), time.monotonic()
        self.total, self.progress, self.unit = total, progress, unit

    def run(self, scheduler, workers, memory, heavy=False):
        """Work on all parts; the failures are saved whatever happens."""
        from tqdm.auto import tqdm

        if not self.progress:
            self.bar = None
            return self._guarded(scheduler, workers, memory, heavy)
        with tqdm(
            total=self.total, unit=self.unit, desc=_work.name_of(self.work).rpartition(".")[2]
        ) as self.bar:
            return self._guarded(scheduler, workers, memory, heavy)

    def _guarded(self, scheduler, workers, memory, heavy):
        try:
            if scheduler is None and workers == 0:
                self._here()
            else:
                with _cluster.connected(scheduler, workers, memory) as client:
                    self._there(client, heavy)
        except KeyboardInterrupt:
            done = sum(self.counts[status] for status in ("done", "kept", "partly"))
            raise KeyboardInterrupt(
                f"stopped: {done} results are in {self.out}; the same call goes on from there"
            ) from None
        finally:
            self._save()

    def _here(self):
        """One part after the other in this process, where a debugger can look."""
        for source in self.sources:
            if source is None:
                time.sleep(_POLL_S)
            else:
                self._note(_work.do(self.work, source, self._target(source), self.token, self.force))

    def _there(self, client, heavy):
        self.client, self.came = client, queue.SimpleQueue()
        self.sent, self.suspects, self.resent = {}, [], {}
        # All tasks are of one group: Dask would keep notes of every kind of task for ever.
        self.run_id, self.numbers = uuid.uuid4().hex, itertools.count()
        if not client.nthreads():
            warnings.warn(f"the scheduler at {client.scheduler.address} has no workers yet: waiting for them")
        try:
            # Asked for by name first: a worker drops its connection over a message that it cannot load.
            client.run(importlib.import_module, _work.name_of(self.work, module=True))
            # A task, not scattered data: these would be gone with the only worker that holds them.
            self.shared = client.submit(_loaded, pickle.dumps(self.work), pure=False)
            client.submit(_nothing, self.shared, pure=False).result()
        except Exception as error:
            raise _work.BadWork(
                f"the workers cannot load {_work.name_of(self.work)} ({_work.plainly(error)}): it must be "
                "importable there, from a package that is installed or a folder on their PYTHONPATH, and in "
                "the same versions"
            ) from error
        self.limit = _cluster.memory_of(client)  # now: when it is to be told, the workers may all be dead
        self.counted, self.bare = time.monotonic() - _COUNT_S, 0
        waiting = True  # whether more sources may come
        while waiting or self.sent:
            threads = self._threads()
            while waiting and len(self.sent) < (2 * threads + 2 if heavy else 4 * threads + _AHEAD):
                source = next(self.sources, _END)
                waiting = source is not _END
                if source is None or not waiting:
                    break
                self._send(source)
            self._receive()
        # What was running when workers died: one at a time, so that each is to blame for itself only.
        for source in self.suspects:
            self._send(source)
            while self.sent:
                self._threads()
                self._receive(alone=True)

    def _threads(self):
        """How many parts can be worked on at once, counted now and then; says if all workers are lost."""
        if time.monotonic() - self.counted >= _COUNT_S:
            self.counted, self.threads = time.monotonic(), _cluster.threads(self.client)
            self.bare = 0 if self.threads else self.bare + 1
            if self.bare == _LOST:
                warnings.warn(
                    f"all workers of {self.client.scheduler.address} are gone: waiting for new ones. Start "
                    "some (a cluster of jobs: `cluster.scale`), or stop with Ctrl-C: results are kept, and "
                    "the same call goes on from there"
                )
        return max(self.threads, 1)

    def _target(self, source):
        return str((self.out / _folder.PARTS / source.part).absolute())

    def _send(self, source):
        future = self.client.submit(
            _work.do, self.shared, source, self._target(source), self.token, self.force,
            key=(f"part-{self.run_id}", next(self.numbers)), pure=False,
        )  # fmt: skip
        self.sent[future.key] = (source, future)
        future.add_done_callback(self.came.put)

    def _receive(self, alone=False):
        try:
            future = self.came.get(timeout=_POLL_S)
        except queue.Empty:
            if self.client.status != "running":
                self._gone()
            self._save_at_times()
            return
        source, future = self.sent.pop(future.key)
        if future.status == "finished":
            self._note(future.result())
        elif future.status == "error":
            self._died(source, future.exception(), alone)
        elif self.client.status != "running":
            self._gone()
        elif self.resent.get(source.part, 0) < _RESENT:
            self.resent[source.part] = self.resent.get(source.part, 0) + 1
            self._send(source)
        else:
            self._fail(source, f"it was cancelled {_RESENT} times by someone else who uses the scheduler")

    def _died(self, source, error, alone):
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            self._fail(source, _work.plainly(error))
        elif alone:
            self._fail(
                source,
                f"its worker died every time, also when nothing else was running: more memory needed than "
                f"there is (limit of a worker: {self.limit}), or a crash",
            )
        else:
            self.suspects.append(source)

    def _gone(self):
        raise ConnectionError(
            f"the scheduler is gone; what was done is in {self.out}, and the same call goes on from there"
        )

    def _fail(self, source, text):
        self._note({"label": source.label, "status": "failed", "failed": [[source.label, text]]})

    def _note(self, said):
        """Count what became of a part, and keep its failures."""
        self.counts[said["status"]] += 1
        label = said["label"]
        # Of a movie, frames of this part may have failed before: "movie[17]" of "movie[16:24]".
        old = {file for file in self.failures if file == label or _belongs(file, label)}
        self.changed |= bool(old or said["failed"])
        self.failures = {file: row for file, row in self.failures.items() if file not in old}
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.failures |= {file: (text, now) for file, text in said["failed"]}
        if self.bar is not None:
            self.bar.set_postfix(failed=len(self.failures), kept=self.counts["kept"], refresh=False)
            self.bar.update()
        self._save_at_times()

    def _save_at_times(self):
        if time.monotonic() - self.saved > _SAVE_S:
            self._save()

    def _save(self):
        if self.changed:
            _folder.write_failures(self.out, self.failures)
            self.changed = False
        self.saved = time.monotonic()


_END = object()


def _belongs(file, label):
    """Whether a failure is one of a frame of a part: "movie[17]" of "movie[16:24]"."""
    name, _, numbers = label.rpartition("[")
    start, colon, stop = numbers.rstrip("]").partition(":")
    if not (colon and start.isdigit() and stop.isdigit()):
        return False
    found, _, number = file.rpartition("[")
    number = number.rstrip("]")
    return found == name and number.isdigit() and int(start) <= int(number) < int(stop)


def _loaded(sent):
    return pickle.loads(sent)  # noqa: S301 - of the client whose task this is, and of nobody else


def _nothing(work):
    return None
