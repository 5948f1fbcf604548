"""Shards: encrypted images in files of their own, which any machine may answer in any order.

A shard says for which program its images are, under which key, what they hold (a checksum), and where. Its name, and
that of its answers, follow from what it holds. So whoever finds its answers there already need not work, and whoever
works twice writes the same bytes again: nothing is lost by trying again. Files may be anywhere that fsspec knows, but
only in the folders that the caller names: a description that leads elsewhere is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from . import _locations
from ._beaa import Client, EncryptedImages, EncryptedResults, Server, Shard, ShardAnswer
from .errors import BadFileError

__all__ = ["Shard", "ShardAnswer", "encrypt", "load", "read_answers", "run", "save"]

_Folder = str | os.PathLike[str]


def encrypt(client: Client, parts: Iterable[Any], folder: _Folder, **options) -> list[Shard]:
    """Encrypts each of `parts`, arrays of images, into a file of `folder`, named by its batch.

    `options` are those of `Client.encrypt`. The client keeps the receipts, beside its key if that is in a file: save it
    first, so that the answers can be decrypted by a later process.
    """
    shards = []
    for images in parts:
        encrypted = client.encrypt(images, **options)
        location = _locations.join(folder, f"{encrypted.batch}.ct")
        _locations.write(encrypted, location)
        shards.append(Shard(encrypted, location))
    return shards


def run(server: Server, shard: Shard, *, images: _Folder, answers: _Folder, progress=None) -> ShardAnswer:
    """Answers a shard, whose ciphertexts are inside of the folder `images`, in a file of the folder `answers`.

    The file is named by the shard. Where its answers are there already nothing is worked out. A shard whose
    ciphertexts are elsewhere is refused: whoever wrote it would have this process open what they like.
    """
    _locations.expect_inside(shard.ciphertexts, images, "running a shard")
    location = _locations.join(answers, f"{shard.id}.answers.ct")
    found = _found(shard, location)
    if found is not None:
        return found
    encrypted = _locations.read(EncryptedImages, shard.ciphertexts)
    shard.expect(encrypted)
    results = server.run(encrypted, progress=progress)
    _locations.write(results, location)
    return shard.answered(results, location)


def read_answers(shard: Shard, answer: ShardAnswer, folder: _Folder) -> EncryptedResults:
    """Reads the answers to a shard from inside of `folder`, and refuses others: `client.decrypt` takes them."""
    _locations.expect_inside(answer.answers, folder, "reading answers to a shard")
    results = _locations.read(EncryptedResults, answer.answers)
    answer.expect(shard, results)
    return results


def save(shards: Sequence[Shard], path: _Folder) -> None:
    """Writes the descriptions of shards, a line of JSON each, in their order."""
    text = "".join(f"{shard.to_json()}\n" for shard in shards)
    _locations.attempted(path, "writing", _write_text, os.fspath(path), text)


def load(path: _Folder) -> list[Shard]:
    """Reads the descriptions that `save` wrote."""
    return [Shard.from_json(line) for line in _locations.attempted(path, "reading", _read_lines, path)]


def _write_text(path: str, text: str) -> None:
    unfinished = f"{path}.tmp"
    with open(unfinished, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def _read_lines(path: _Folder) -> list[str]:
    with open(path, encoding="utf-8") as file:
        return file.readlines()


def _found(shard: Shard, location: str) -> ShardAnswer | None:
    """The record of answers that are there already; none where they are not whole or not the shard's."""
    if not _locations.exists(location):
        return None
    try:
        return shard.answered(_locations.read(EncryptedResults, location), location)
    except BadFileError:
        return None
