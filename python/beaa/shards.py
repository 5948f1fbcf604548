"""Shards: encrypted images in files of their own, which any machine may answer in any order.

A shard says for which program its images are, under which key, what they hold (a checksum), and where. Its name, and
that of its answers, follow from what it holds. So whoever finds its answers there already need not work, and whoever
works twice writes the same bytes again: nothing is lost by trying again. Files may be anywhere that fsspec knows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ._beaa import Client, EncryptedImages, EncryptedResults, Server, Shard, ShardAnswer
from .errors import BadFileError, MissingPackageError

__all__ = ["Shard", "ShardAnswer", "encrypt", "read_answers", "run"]


def encrypt(client: Client, parts: Iterable[Any], folder: str | os.PathLike[str], **options) -> list[Shard]:
    """Encrypts each of `parts`, arrays of images, into a file of `folder`; the client keeps the receipts.

    `options` are those of `Client.encrypt`. The files are named by their batches.
    """
    shards = []
    for images in parts:
        encrypted = client.encrypt(images, **options)
        location = _join(folder, f"{encrypted.batch}.ct")
        _write(encrypted, location)
        shards.append(Shard(encrypted, location))
    return shards


def run(server: Server, shard: Shard, folder: str | os.PathLike[str], *, progress=None) -> ShardAnswer:
    """Answers a shard in a file of `folder`, named by the shard, unless its answers are there already."""
    location = _join(folder, f"{shard.id}.answers.ct")
    found = _found(shard, location)
    if found is not None:
        return found
    images = _read(EncryptedImages, shard.ciphertexts)
    shard.expect(images)
    results = server.run(images, progress=progress)
    _write(results, location)
    return shard.answered(results, location)


def read_answers(shard: Shard, answer: ShardAnswer) -> EncryptedResults:
    """Reads the answers to a shard, and refuses others: `client.decrypt` takes them."""
    results = _read(EncryptedResults, answer.answers)
    answer.expect(shard, results)
    return results


def _found(shard: Shard, location: str) -> ShardAnswer | None:
    """The record of answers that are there already; none where they are not whole or not the shard's."""
    system, path = _open(location)
    if not (os.path.exists(path) if system is None else system.exists(path)):
        return None
    try:
        return shard.answered(_read(EncryptedResults, location), location)
    except BadFileError:
        return None


def _read(kind, location: str):
    system, path = _open(location)
    return kind.load(path) if system is None else kind.from_bytes(system.cat_file(path))


def _write(ciphertexts, location: str) -> None:
    """Writes a file that is whole under its name or not there, as the stores behind fsspec do by themselves."""
    system, path = _open(location)
    if system is None:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        ciphertexts.save(path)
    else:
        system.pipe_file(path, ciphertexts.to_bytes())


def _open(location: str):
    """The file system of fsspec and the path there; none for files of this machine."""
    if "://" not in location:
        return None, location
    if location.startswith("file://"):
        return None, location.removeprefix("file://")
    try:
        import fsspec
    except ImportError as error:
        remedy = 'install it with pip install "beaa[dask]", or give a file'
        said = dict(operation=f"opening {location}", found="no package fsspec", expected="it for addresses")
        message = f"{said['operation']}: found {said['found']}, expected {said['expected']}; {remedy}"
        raise MissingPackageError(message, remedy=remedy, **said) from error
    return fsspec.core.url_to_fs(location)


def _join(folder: str | os.PathLike[str], name: str) -> str:
    return f"{os.fspath(folder).rstrip('/')}/{name}"
