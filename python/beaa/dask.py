"""Many machines: shards on a Dask cluster."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Sequence

from . import _locations
from . import shards as _shards
from ._beaa import EvaluationKey, Program, Server, Shard, ShardAnswer
from ._progress import callback
from .errors import MemoryShortageError, MismatchError, MissingPackageError

try:
    import distributed
except ImportError as _error:
    _remedy = 'install it with pip install "beaa[dask]"'
    raise MissingPackageError(
        f"importing beaa.dask: found no package distributed, expected Dask distributed; {_remedy}",
        operation="importing beaa.dask",
        found="no package distributed",
        expected="Dask distributed",
        remedy=_remedy,
    ) from _error


def run(
    program: Program,
    key: EvaluationKey | None,
    shards: Sequence[Shard],
    client: distributed.Client,
    *,
    images: str | os.PathLike[str],
    answers: str | os.PathLike[str],
    retries: int = 3,
    progress=None,
) -> list[ShardAnswer]:
    """Answers shards on the workers of a Dask cluster, and gives the records of the answers in the order of the shards.

    `images` is the folder in which the ciphertexts are, and shards elsewhere are refused; `answers` that of the files
    of answers. Both, paths or addresses of fsspec, must be the same for all workers. Answers that are there already
    are not worked out again, so that a run which broke off goes on when it is started again. Program and key are sent
    to each worker once. A shard whose worker dies goes to another; one that fails is tried `retries` times more, and
    ends the run then. A worker runs one shard at a time, on as many threads as it has. `progress` is `True` for a bar,
    or told ("shards", done, all).
    """
    _expect_belonging(program, key, shards)
    for shard in shards:
        _locations.expect_inside(shard.ciphertexts, images, "running shards")
    _expect_memory(program, client)
    told = callback(progress)
    # Shards that hold the same are one.
    waiting, found = {shard.id: shard for shard in shards}, {}
    count = len(waiting)
    folders = (os.fspath(images), os.fspath(answers))
    # To the scheduler every call is other work: it remembers what failed, and what went to another folder.
    call = uuid.uuid4().hex
    for attempt in range(retries + 1):
        try:
            shared = client.scatter((program, key), broadcast=True, hash=False)
        except OSError:
            # A worker died while program and key were sent to it: again, to those that are left.
            continue
        futures, lost = {}, {}
        try:
            for name, shard in waiting.items():
                # And so is another attempt at what it lost.
                key_of_task = f"beaa-{call}-{attempt}-{name}"
                future = client.submit(_answer, shared, shard, folders, key=key_of_task, retries=retries, pure=False)
                futures[future] = name
            for future in distributed.as_completed(futures):
                name = futures[future]
                # Lost with the only worker that had program and key.
                if future.status in ("cancelled", "lost"):
                    lost[name] = waiting[name]
                    continue
                found[name] = future.result()
                if told is not None:
                    told("shards", len(found), count)
        finally:
            # What has not begun when this call ends, however it ends, nobody waits for.
            client.cancel(list(futures))
        waiting = lost
        if not waiting:
            break
    if waiting:
        said = dict(
            operation="running shards",
            found=f"{len(waiting)} of {count} shards lost with their workers {retries + 1} times",
            expected="workers that stay",
            remedy="start again: what is answered is not worked out again",
        )
        message = "{operation}: found {found}, expected {expected}; {remedy}".format(**said)
        raise MismatchError(message, **said)
    return [found[shard.id] for shard in shards]


#: The server of this process, which has the weights arranged; and who uses it: one run takes all threads.
_SERVER: dict[tuple[str, str | None], Server] = {}
_LOCK = threading.Lock()


def _answer(shared: tuple[Program, EvaluationKey | None], shard: Shard, folders: tuple[str, str]) -> ShardAnswer:
    """Answers a shard on a worker, which trusts no location but those inside of its folders."""
    images, answers = folders
    program, key = shared
    with _LOCK:
        # Before the first work of this process, which starts the threads.
        os.environ.setdefault("RAYON_NUM_THREADS", str(distributed.get_worker().state.nthreads))
        name = (program.signature.program, None if key is None else key.id)
        if name not in _SERVER:
            _SERVER.clear()
            _SERVER[name] = Server(program, key)
        return _shards.run(_SERVER[name], shard, images=images, answers=answers)


def _expect_belonging(program, key, shards) -> None:
    """Refuses shards of another program or key before anything is sent."""
    expected = {"program": program.signature.program}
    if key is not None:
        expected["key"] = key.id
    for shard in shards:
        for what, name in expected.items():
            found = getattr(shard, what)
            if found != name:
                said = dict(
                    operation="running shards",
                    found=f"a shard of {what} {found[:16]} in {shard.ciphertexts}",
                    expected=f"{what} {name[:16]}",
                    remedy="encrypt the images for this program and under this client's key",
                )
                raise MismatchError("{operation}: found {found}, expected {expected}; {remedy}".format(**said), **said)


def _expect_memory(program, client) -> None:
    """Refuses workers that have less memory than the program's plan."""
    needed = program.report.totals["peak_bytes"]
    limits = [worker["memory_limit"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()]
    # A worker without a limit says 0.
    least = min((limit for limit in limits if limit), default=None)
    if least is not None and least < needed:
        said = dict(
            operation="running shards",
            found=f"a worker of {least} bytes of memory",
            expected=f"{needed} bytes, as the program plans",
            remedy="start workers with a larger memory_limit, or compile with memory=...",
        )
        raise MemoryShortageError("{operation}: found {found}, expected {expected}; {remedy}".format(**said), **said)
