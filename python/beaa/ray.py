"""Many machines: shards on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Sequence

from . import _cluster
from ._beaa import EvaluationKey, Program, Shard, ShardAnswer
from ._progress import callback
from .errors import OptionError

try:
    import ray
except ImportError as _error:
    raise _cluster.missing("beaa.ray", "ray", "ray") from _error

#: What Ray says of a task whose worker died more often than it is tried.
_LOST = (
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.NodeDiedError,
    ray.exceptions.ObjectLostError,
    ray.exceptions.OutOfMemoryError,
)


def run(
    program: Program,
    key: EvaluationKey | None,
    shards: Sequence[Shard],
    *,
    images: str | os.PathLike[str],
    answers: str | os.PathLike[str],
    threads: int = 1,
    retries: int = 3,
    progress=None,
) -> list[ShardAnswer]:
    """Answers shards on the Ray cluster to which this process is connected, and gives the records of the answers in
    the order of the shards.

    `images` is the folder in which the ciphertexts are, and shards elsewhere are refused; `answers` that of the files
    of answers. Both, paths or addresses of fsspec, must be the same for all nodes. Answers that are there already are
    not worked out again, so that a run which broke off goes on when it is started again. Program and key are put into
    Ray's store once. A shard takes `threads` processors and the memory that the program plans, and waits until a node
    has them. One whose worker dies goes to another; one that fails is tried `retries` times more, and ends the run
    then. `progress` is `True` for a bar, or told ("shards", done, all).
    """
    folders = (os.fspath(images), os.fspath(answers))
    _cluster.expect_runnable(program, key, shards, folders[0])
    _expect_room(program, threads)
    told = callback(progress)
    # In a list, so that Ray does not unpack it for every shard: a worker asks for it once.
    shared = [ray.put((program, key))]
    needs = dict(num_cpus=threads, memory=program.report.totals["peak_bytes"])
    task = ray.remote(max_retries=retries, retry_exceptions=True, **needs)(_answer)
    # Shards that hold the same are one.
    unique = {shard.id: shard for shard in shards}
    known = _cluster.names(program, key)
    waiting = {task.remote(known, shared, shard, folders, threads): name for name, shard in unique.items()}
    count, found, lost = len(waiting), {}, 0
    try:
        while waiting:
            (done, *_), _ = ray.wait(list(waiting), num_returns=1)
            name = waiting.pop(done)
            try:
                found[name] = ray.get(done)
            except ray.exceptions.RayTaskError as error:
                # As the worker raised it: Ray's own is of another class.
                raise error.cause from error
            except _LOST:
                lost += 1
                continue
            if told is not None:
                told("shards", len(found), count)
    finally:
        # What is not done when this call ends, however it ends, nobody waits for.
        for future in waiting:
            ray.cancel(future)
    if lost:
        raise _cluster.lost(lost, count, retries + 1)
    return [found[shard.id] for shard in shards]


def _answer(
    known: _cluster.Names, shared: list[ray.ObjectRef], shard: Shard, folders: _cluster.Folders, threads: int
) -> ShardAnswer:
    """Answers a shard on a worker, which takes program and key from Ray's store where it has not the server."""
    return _cluster.answer(known, lambda: ray.get(shared[0]), shard, folders, threads)


def _expect_room(program: Program, threads: int) -> None:
    """Refuses to start without a cluster, and where no node will ever have what a shard takes: Ray would wait."""
    if not ray.is_initialized():
        said = dict(
            operation="running shards",
            found="no connection to a Ray cluster",
            expected="one",
            remedy="call ray.init() before",
        )
        raise OptionError("{operation}: found {found}, expected {expected}; {remedy}".format(**said), **said)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fitting = [resources for resources in nodes if resources.get("CPU", 0) >= threads]
    if not fitting:
        most = int(max((resources.get("CPU", 0) for resources in nodes), default=0))
        said = dict(
            operation="running shards",
            found=f"threads={threads}, and no node with more than {most} processors",
            expected="a node that has them",
            remedy=f"give threads={max(most, 1)}",
        )
        raise OptionError("{operation}: found {found}, expected {expected}; {remedy}".format(**said), **said)
    remedy = "start nodes with more memory (ray start --memory), or compile with memory=..."
    _cluster.expect_memory(program, [max(resources.get("memory", 0) for resources in fitting)], remedy)
