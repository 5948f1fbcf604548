"""Shards: named by content, answered once, on one machine and on many."""

import os
import pickle
import signal

import numpy as np
import pytest

import beaa
from beaa import shards


@pytest.fixture
def written(client, images, tmp_path):
    return shards.encrypt(client, np.split(images, 3), tmp_path / "images")


def test_a_shard_is_named_by_what_it_holds(client, program, written, images):
    assert len({s.id for s in written}) == 3 and [len(s) for s in written] == [200] * 3
    for shard in written:
        assert (shard.program, shard.key) == (program.signature.program, client.id)
        again = shards.Shard.from_json(shard.to_json())
        assert again == shard and pickle.loads(pickle.dumps(shard)) == shard
        encrypted = beaa.EncryptedImages.load(shard.ciphertexts)
        elsewhere = shards.Shard(encrypted, "s3://elsewhere/1.ct")
        assert elsewhere.id == shard.id and elsewhere != shard


@pytest.mark.parametrize("change", [
    lambda t: t.replace('"program":"', '"program":"0'), lambda t: t.replace('"images":200', '"images":0'),
    lambda t: t[:-1], lambda t: t.replace('"key"', '"keys"'), lambda t: t.replace('{', '{"images":200,', 1),
    lambda t: "", lambda t: "[]",
])
def test_json_that_is_no_shard_is_refused(written, change):
    with pytest.raises(beaa.BadFileError, match="reading a shard"):
        shards.Shard.from_json(change(written[0].to_json()))


def test_answers_are_worked_out_once(client, server, written, tmp_path):
    first = [shards.run(server, shard, tmp_path / "answers") for shard in written]
    files = sorted((tmp_path / "answers").iterdir())
    assert [f.name for f in files] == sorted(f"{s.id}.answers.ct" for s in written)
    times = [f.stat().st_mtime_ns for f in files]
    assert [shards.run(server, shard, tmp_path / "answers") for shard in written] == first
    assert [f.stat().st_mtime_ns for f in files] == times, "they were written again"
    for shard, answer in zip(written, first):
        assert beaa.ShardAnswer.from_json(answer.to_json()) == answer and answer.shard == shard.id
        assert len(client.decrypt(shards.read_answers(shard, answer))) == 200


def test_answers_that_are_damaged_are_worked_out_again(server, written, tmp_path):
    answer = shards.run(server, written[0], tmp_path)
    whole = open(answer.answers, "rb").read()
    with open(answer.answers, "wb") as file:
        file.write(whole[:-5])
    with pytest.raises(beaa.BadFileError):
        shards.read_answers(written[0], answer)
    assert shards.run(server, written[0], tmp_path) == answer
    assert open(answer.answers, "rb").read() == whole, "the same bits"


def test_files_that_were_exchanged_are_noticed(server, written, tmp_path):
    a, b = (beaa.EncryptedImages.load(s.ciphertexts) for s in written[:2])
    exchanged = b.to_bytes()
    os.replace(written[1].ciphertexts, written[0].ciphertexts)
    with pytest.raises(beaa.BadFileError, match="ciphertexts"):
        shards.run(server, written[0], tmp_path / "answers")
    first, second = shards.Shard(a, "a"), shards.Shard(beaa.EncryptedImages.from_bytes(exchanged), "b")
    results = server.run(a)
    with pytest.raises(beaa.BadFileError, match="answers to batch"):
        second.answered(results, "x")
    with pytest.raises(beaa.BadFileError, match="answers to batch"):
        first.answered(results, "x").expect(first, server.run(beaa.EncryptedImages.from_bytes(exchanged)))


def test_addresses_of_fsspec_serve(client, server, images):
    (shard,) = shards.encrypt(client, [images[:10]], "memory://images")
    answer = shards.run(server, shard, "memory://answers")
    assert answer.answers == f"memory://answers/{shard.id}.answers.ct"
    assert shards.run(server, shard, "memory://answers") == answer
    assert len(client.decrypt(shards.read_answers(shard, answer))) == 10


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'beaa[dask]'")
    options = dict(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as connection:
        yield connection


def test_a_worker_that_is_killed_loses_nothing(cluster, program, client, server, images, tmp_path):
    parts = [np.roll(images, k, axis=0) for k in range(12)]
    written = shards.encrypt(client, parts, tmp_path / "images")
    before, killed, told = set(pids(cluster)), [], []

    def kill(what, done, of):
        told.append((what, done, of))
        if done == 3:
            killed.append(pids(cluster)[0])
            os.kill(killed[0], signal.SIGKILL)

    key = client.evaluation_key
    answers = beaa.dask.run(program, key, written, cluster, folder=tmp_path / "answers", progress=kill)

    assert killed and killed[0] in before and told[-1] == ("shards", 12, 12)
    assert [a.shard for a in answers] == [s.id for s in written], "in order"
    assert len(list((tmp_path / "answers").glob("*.ct"))) == 12, "nothing twice"
    for part, shard, answer in zip(parts, written, answers):
        results = shards.read_answers(shard, answer)
        here = server.run(beaa.EncryptedImages.load(shard.ciphertexts))
        assert results.to_bytes() == here.to_bytes(), "the same bits"
        assert len(client.decrypt(results)) == len(part)

    # Started again, it finds all answers.
    times = {f: f.stat().st_mtime_ns for f in (tmp_path / "answers").iterdir()}
    assert beaa.dask.run(program, key, written + written[:2], cluster, folder=tmp_path / "answers") == (
        answers + answers[:2]
    )
    assert times == {f: f.stat().st_mtime_ns for f in (tmp_path / "answers").iterdir()}


def test_shards_of_another_program_are_refused_before_anything_is_sent(cluster, deep, client, written, tmp_path):
    with pytest.raises(beaa.MismatchError, match="a shard of program"):
        beaa.dask.run(deep, None, written, cluster, folder=tmp_path)


def test_what_fails_on_a_worker_is_raised_here(cluster, program, client, written, tmp_path):
    os.remove(written[1].ciphertexts)
    with pytest.raises(beaa.FileAccessError, match="images"):
        beaa.dask.run(program, client.evaluation_key, written, cluster, folder=tmp_path / "answers", retries=0)


def pids(cluster):
    return list(cluster.run(os.getpid).values())
