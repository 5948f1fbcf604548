"""Many machines: shards on a Dask cluster."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence

from . import _cluster
from ._beaa import EvaluationKey, Program, Shard, ShardAnswer
from ._progress import callback

try:
    import distributed
except ImportError as _error:
    raise _cluster.missing("beaa.dask", "distributed", "dask") from _error


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
    folders = (os.fspath(images), os.fspath(answers))
    _cluster.expect_runnable(program, key, shards, folders[0])
    _expect_memory(program, client)
    told = callback(progress)
    # Shards that hold the same are one.
    waiting, found = {shard.id: shard for shard in shards}, {}
    count = len(waiting)
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
        raise _cluster.lost(len(waiting), count, retries + 1)
    return [found[shard.id] for shard in shards]


def _answer(shared: _cluster.Shared, shard: Shard, folders: _cluster.Folders) -> ShardAnswer:
    """Answers a shard on a worker, on all of its threads."""
    threads = distributed.get_worker().state.nthreads
    return _cluster.answer(_cluster.names(*shared), lambda: shared, shard, folders, threads)


def _expect_memory(program: Program, client: distributed.Client) -> None:
    """Refuses workers that have less memory than the program's plan."""
    limits = [worker["memory_limit"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()]
    # A worker without a limit says 0.
    remedy = "start workers with a larger memory_limit, or compile with memory=..."
    _cluster.expect_memory(program, [limit for limit in limits if limit], remedy)
