"""Shards on many machines: the same for every engine, each a cluster of processes here."""

import contextlib
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import beaa
from beaa import shards


class OnDask:
    """Two workers of Dask."""

    def __init__(self):
        distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'beaa[dask]'")
        options = dict(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
        self.closing = contextlib.ExitStack()
        self.cluster = self.closing.enter_context(distributed.LocalCluster(**options))
        self.connection = self.closing.enter_context(distributed.Client(self.cluster))

    def run(self, program, key, written, **options):
        return beaa.dask.run(program, key, written, self.connection, **options)

    def pids(self):
        return list(self.connection.run(os.getpid).values())

    def close(self):
        self.closing.close()


class OnRay:
    """Two processors of Ray, a worker process for each."""

    def __init__(self):
        ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'beaa[ray]'")
        self.ray = ray
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=200_000_000)

    def run(self, program, key, written, **options):
        return beaa.ray.run(program, key, written, **options)

    def pids(self):
        """The processes that work on shards, which Ray names by their function."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            # One that has ended since has no name.
            with contextlib.suppress(OSError):
                if path.read_bytes().startswith(b"ray::_answer"):
                    found.append(int(path.parent.name))
        return found

    def close(self):
        self.ray.shutdown()


@pytest.fixture(scope="module")
def dask():
    with contextlib.closing(OnDask()) as engine:
        yield engine


@pytest.fixture(scope="module")
def ray():
    with contextlib.closing(OnRay()) as engine:
        yield engine


@pytest.fixture(scope="module", params=["dask", "ray"])
def engine(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def written(client, images, tmp_path):
    return shards.encrypt(client, np.split(images, 3), tmp_path / "images")


@pytest.fixture
def folders(tmp_path):
    return dict(images=tmp_path / "images", answers=tmp_path / "answers")


def test_ray_is_not_started_unasked(program, client, written, folders):
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'beaa[ray]'")
    assert not ray.is_initialized()
    # The first of these tests, before Ray is started for the others.
    with pytest.raises(beaa.OptionError, match="ray.init"):
        beaa.ray.run(program, client.evaluation_key, written, **folders)
    assert not ray.is_initialized()


def test_a_worker_that_is_killed_loses_nothing(engine, program, client, server, images, tmp_path, folders):
    parts = [np.roll(images, k, axis=0) for k in range(12)]
    written = shards.encrypt(client, parts, tmp_path / "images")
    killed, told = [], []

    def kill(what, done, of):
        told.append((what, done, of))
        if done >= 3 and not killed:
            killed.extend(engine.pids()[:1])
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    key = client.evaluation_key
    answers = engine.run(program, key, written, **folders, progress=kill)

    assert killed and told[-1] == ("shards", 12, 12)
    assert [a.shard for a in answers] == [s.id for s in written], "in order"
    assert len(list((tmp_path / "answers").glob("*.ct"))) == 12, "nothing twice"
    for part, shard, answer in zip(parts, written, answers):
        results = shards.read_answers(shard, answer, tmp_path / "answers")
        here = server.run(beaa.EncryptedImages.load(shard.ciphertexts))
        assert results.to_bytes() == here.to_bytes(), "the same bits"
        assert len(client.decrypt(results)) == len(part)

    # Started again, it finds all answers.
    times = {f: f.stat().st_mtime_ns for f in (tmp_path / "answers").iterdir()}
    assert engine.run(program, key, written + written[:2], **folders) == answers + answers[:2]
    assert times == {f: f.stat().st_mtime_ns for f in (tmp_path / "answers").iterdir()}


def test_shards_of_others_are_refused_before_anything_is_sent(engine, deep, program, client, written, tmp_path, folders):
    with pytest.raises(beaa.MismatchError, match="a shard of program"):
        engine.run(deep, None, written, **folders)
    with pytest.raises(beaa.OptionError, match="one inside of"):
        engine.run(program, client.evaluation_key, written, images=tmp_path / "else", answers=tmp_path)


def test_a_run_that_failed_may_be_started_again_within_its_except(engine, program, client, written, tmp_path, folders):
    away = tmp_path / "away.ct"
    os.rename(written[1].ciphertexts, away)
    try:
        engine.run(program, client.evaluation_key, written, **folders, retries=0)
    except beaa.FileAccessError as error:
        assert "images" in str(error)
        os.rename(away, written[1].ciphertexts)
        answers = engine.run(program, client.evaluation_key, written, **folders, retries=0)
    assert [a.shard for a in answers] == [s.id for s in written]


def test_runs_at_the_same_time_have_answers_of_their_own(engine, program, client, written, tmp_path):
    key, inner = client.evaluation_key, []
    run = lambda name, **o: engine.run(
        program, key, written, images=tmp_path / "images", answers=tmp_path / name, **o
    )

    def second(what, done, of):
        # The first run still holds what it has submitted.
        if not inner:
            inner.append(run("second"))

    outer = run("first", progress=second)
    for answers, name in ((outer, "first"), (inner[0], "second")):
        assert [os.path.dirname(a.answers) for a in answers] == [str(tmp_path / name)] * 3
        assert len(list((tmp_path / name).glob("*.ct"))) == 3


def test_a_worker_of_dask_that_dies_while_the_program_is_sent(dask, program, client, written, folders, monkeypatch):
    whole, calls = dask.connection.scatter, []

    def broken_once(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 1:
            raise OSError("in <TCP (closed)>: BrokenPipeError")
        return whole(*arguments, **options)

    monkeypatch.setattr(dask.connection, "scatter", broken_once)
    answers = dask.run(program, client.evaluation_key, written, **folders)
    assert ([a.shard for a in answers], len(calls)) == ([s.id for s in written], 2)


def test_nothing_is_left_with_the_scheduler_of_dask(dask, program, client, written, folders):
    os.remove(written[0].ciphertexts)
    with pytest.raises(beaa.FileAccessError) as caught:
        dask.run(program, client.evaluation_key, written, **folders, retries=0)
    # The traceback still holds the frames of the run.
    names = [str(name) for name in dask.connection.futures]
    assert caught.tb is not None and [name for name in names if name.startswith("beaa-")] == []


def test_what_no_node_of_ray_will_ever_have_is_refused(ray, program, client, written, folders):
    with pytest.raises(beaa.OptionError, match="no node with more than 2 processors"):
        ray.run(program, client.evaluation_key, written, **folders, threads=3)
    nodes = [{"Alive": True, "Resources": {"CPU": 2.0, "memory": 1e6}}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray.ray, "nodes", lambda: nodes)
        with pytest.raises(beaa.MemoryShortageError, match="a worker of 1000000 bytes"):
            ray.run(program, client.evaluation_key, written, **folders)


def test_shards_that_are_lost_each_time_are_told(ray, program, client, written, folders, monkeypatch):
    def crash(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(beaa.ray, "_answer", crash)
    with pytest.raises(beaa.MismatchError, match="3 of 3 shards lost with their workers 2 times"):
        ray.run(program, client.evaluation_key, written, **folders, retries=1)
