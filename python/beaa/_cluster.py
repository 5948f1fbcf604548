"""What all engines that answer shards on many machines share: what they refuse, and how a worker answers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence

from . import _locations
from . import shards as _shards
from ._beaa import EvaluationKey, Program, Server, Shard, ShardAnswer
from .errors import MemoryShortageError, MismatchError, MissingPackageError

#: Folders of the images and of the answers.
Folders = tuple[str, str]
#: The fingerprint of a program and the name of the pair of keys.
Names = tuple[str, str | None]
#: A program with its evaluation key.
Shared = tuple[Program, EvaluationKey | None]


def missing(module: str, package: str, extra: str) -> MissingPackageError:
    """The error of a module whose engine is not installed."""
    said = dict(
        operation=f"importing {module}",
        found=f"no package {package}",
        expected=f"the package {package}",
        remedy=f'install it with pip install "beaa[{extra}]"',
    )
    return MissingPackageError("{operation}: found {found}, expected {expected}; {remedy}".format(**said), **said)


def names(program: Program, key: EvaluationKey | None) -> Names:
    """What a server is known by."""
    return program.signature.program, None if key is None else key.id


def expect_runnable(program: Program, key: EvaluationKey | None, shards: Sequence[Shard], images: str) -> None:
    """Refuses, before anything is sent, shards of another program or key and those outside of `images`."""
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
        _locations.expect_inside(shard.ciphertexts, images, "running shards")


def expect_memory(program: Program, limits: Iterable[float], remedy: str) -> None:
    """Refuses workers of which one has less memory than the program plans; `limits` are those that have one."""
    needed = program.report.totals["peak_bytes"]
    least = min(limits, default=None)
    if least is not None and least < needed:
        said = dict(
            operation="running shards",
            found=f"a worker of {int(least)} bytes of memory",
            expected=f"{needed} bytes, as the program plans",
            remedy=remedy,
        )
        raise MemoryShortageError("{operation}: found {found}, expected {expected}; {remedy}".format(**said), **said)


def lost(count: int, of: int, tries: int) -> MismatchError:
    """The error of shards that were lost with their workers each time."""
    said = dict(
        operation="running shards",
        found=f"{count} of {of} shards lost with their workers {tries} times",
        expected="workers that stay",
        remedy="start again: what is answered is not worked out again",
    )
    return MismatchError("{operation}: found {found}, expected {expected}; {remedy}".format(**said), **said)


#: The server of this process, which has the weights arranged; and who uses it: one run takes all threads.
_SERVER: dict[Names, Server] = {}
_LOCK = threading.Lock()


def answer(known: Names, shared: Callable[[], Shared], shard: Shard, folders: Folders, threads: int) -> ShardAnswer:
    """Answers a shard on a worker, which trusts no location but those inside of its folders.

    `shared` gives program and key, and is only asked where this process has not the server that `known` names.
    """
    images, answers = folders
    with _LOCK:
        # Before the first work of this process, which starts the threads.
        os.environ.setdefault("RAYON_NUM_THREADS", str(threads))
        if known not in _SERVER:
            _SERVER.clear()
            _SERVER[known] = Server(*shared())
        return _shards.run(_SERVER[known], shard, images=images, answers=answers)
