"""Shards: named by content, answered once, wherever their files are."""

import os
import pickle

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
    run = lambda: [shards.run(server, s, images=tmp_path / "images", answers=tmp_path / "answers") for s in written]
    first = run()
    files = sorted((tmp_path / "answers").iterdir())
    assert [f.name for f in files] == sorted(f"{s.id}.answers.ct" for s in written)
    times = [f.stat().st_mtime_ns for f in files]
    assert run() == first
    assert [f.stat().st_mtime_ns for f in files] == times, "they were written again"
    for shard, answer in zip(written, first):
        assert beaa.ShardAnswer.from_json(answer.to_json()) == answer and answer.shard == shard.id
        assert len(client.decrypt(shards.read_answers(shard, answer, tmp_path / "answers"))) == 200


def test_answers_that_are_damaged_are_worked_out_again(server, written, tmp_path):
    run = lambda: shards.run(server, written[0], images=tmp_path / "images", answers=tmp_path)
    answer = run()
    whole = open(answer.answers, "rb").read()
    with open(answer.answers, "wb") as file:
        file.write(whole[:-5])
    with pytest.raises(beaa.BadFileError):
        shards.read_answers(written[0], answer, tmp_path)
    assert run() == answer
    assert open(answer.answers, "rb").read() == whole, "the same bits"


def test_files_that_were_exchanged_are_noticed(server, written, tmp_path):
    a, b = (beaa.EncryptedImages.load(s.ciphertexts) for s in written[:2])
    exchanged = b.to_bytes()
    os.replace(written[1].ciphertexts, written[0].ciphertexts)
    with pytest.raises(beaa.BadFileError, match="ciphertexts"):
        shards.run(server, written[0], images=tmp_path / "images", answers=tmp_path / "answers")
    first, second = shards.Shard(a, "a"), shards.Shard(beaa.EncryptedImages.from_bytes(exchanged), "b")
    results = server.run(a)
    with pytest.raises(beaa.BadFileError, match="answers to batch"):
        second.answered(results, "x")
    with pytest.raises(beaa.BadFileError, match="answers to batch"):
        first.answered(results, "x").expect(first, server.run(beaa.EncryptedImages.from_bytes(exchanged)))


def test_addresses_of_fsspec_serve(client, server, images):
    pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'beaa[dask]'")
    (shard,) = shards.encrypt(client, [images[:10]], "memory://images")
    folders = dict(images="memory://images", answers="memory://answers")
    answer = shards.run(server, shard, **folders)
    assert answer.answers == f"memory://answers/{shard.id}.answers.ct"
    assert shards.run(server, shard, **folders) == answer
    assert len(client.decrypt(shards.read_answers(shard, answer, "memory://answers"))) == 10
    with pytest.raises(beaa.OptionError, match="fsspec knows"):
        shards.encrypt(client, [images[:10]], "nowhere://images")
    elsewhere = shards.Shard(client.encrypt(images[:2]), "memory://images/absent.ct")
    with pytest.raises(beaa.FileAccessError, match="absent"):
        shards.run(server, elsewhere, **folders)


@pytest.fixture(scope="module")
def answered(client, server, images):
    """Two encrypted images, and the answers to them."""
    encrypted = client.encrypt(images[:2])
    return encrypted, server.run(encrypted)


@pytest.mark.parametrize("folder, location", [
    ("{tmp}/images", "/etc/passwd"),
    ("{tmp}/images", "{tmp}/secret.ct"),
    ("{tmp}/images", "{tmp}/images/../secret.ct"),
    ("{tmp}/images", "{tmp}/images2/1.ct"),
    ("{tmp}/images", "{tmp}/images/link.ct"),
    ("{tmp}/images", "{tmp}/images"),
    ("{tmp}/images", "file://{tmp}/secret.ct"),
    ("{tmp}/images", "https://example.org/1.ct"),
    ("{tmp}/images", "{tmp}/images/\0.ct"),
    ("memory://images", "{tmp}/images/1.ct"),
    ("memory://images", "memory://images2/1.ct"),
    ("memory://images", "memory://images/../secret/1.ct"),
    ("memory://images", "memory://images/%2e%2e/1.ct"),
    ("memory://images", "memory://images//1.ct"),
    ("memory://images", "memory://images/a?versionId=1"),
    ("memory://images", "simplecache::memory://images/1.ct"),
    ("memory://images", "memory://images/"),
    ("s3://bucket/images", "s3://other/images/1.ct"),
])
def test_what_lies_elsewhere_is_not_opened(server, answered, tmp_path, folder, location):
    (tmp_path / "images").mkdir()
    (tmp_path / "secret.ct").write_bytes(b"secret")
    (tmp_path / "images" / "link.ct").symlink_to(tmp_path / "secret.ct")
    folder, location = (text.format(tmp=tmp_path) for text in (folder, location))
    encrypted, results = answered
    shard = shards.Shard(encrypted, location)
    with pytest.raises(beaa.OptionError, match="one inside of"):
        shards.run(server, shard, images=folder, answers=tmp_path / "answers")
    with pytest.raises(beaa.OptionError, match="one inside of"):
        shards.read_answers(shard, shard.answered(results, location), folder)
    assert not (tmp_path / "answers").exists()


def test_a_folder_may_be_spelled_in_several_ways(server, client, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (shard,) = shards.encrypt(client, [images[:2]], "images")
    for number, folder in enumerate(["images/", tmp_path / "images", f"file://{tmp_path}/images", ".", ""]):
        answer = shards.run(server, shard, images=folder, answers=f"answers{number}")
        assert len(shards.read_answers(shard, answer, tmp_path)) == 2


def test_a_later_process_goes_on(program, client, server, images, tmp_path):
    client.save(tmp_path / "secret.key")
    written = shards.encrypt(client, np.split(images, 3), tmp_path / "images")
    shards.save(written, tmp_path / "shards.jsonl")
    folders = dict(images=tmp_path / "images", answers=tmp_path / "answers")
    shards.run(server, written[0], **folders)

    # All that the first one had in memory is gone.
    later = beaa.Client.load(program.signature, tmp_path / "secret.key")
    found = shards.load(tmp_path / "shards.jsonl")
    assert found == written
    for shard in found:
        results = shards.read_answers(shard, shards.run(server, shard, **folders), tmp_path / "answers")
        assert np.array_equal(later.decrypt(results).classes, client.decrypt(results).classes)
    with pytest.raises(beaa.FileAccessError):
        shards.load(tmp_path / "absent.jsonl")
    (tmp_path / "shards.jsonl").write_text("{}\n")
    with pytest.raises(beaa.BadFileError):
        shards.load(tmp_path / "shards.jsonl")


@pytest.fixture
def plain_store():
    """A store that writes under a name from the first byte on, and moves nothing onto a name in use."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'beaa[dask]'")

    class Plain(fsspec.AbstractFileSystem):
        protocol, files, breaks = "plain", {}, False

        def pipe_file(self, path, value, **_):
            self.files[path] = value[: len(value) // 2]
            if Plain.breaks:
                raise OSError("the line is cut")
            self.files[path] = value

        def cat_file(self, path, **_):
            return self.files[path]

        def exists(self, path, **_):
            return path in self.files

        def makedirs(self, path, exist_ok=False):
            pass

        def mv(self, path1, path2, **_):
            if path2 in self.files:
                raise FileExistsError(path2)
            self.files[path2] = self.files.pop(path1)

        def rm_file(self, path):
            del self.files[path]

    fsspec.register_implementation("plain", Plain, clobber=True)
    return Plain


def test_no_half_written_file_has_a_name(client, server, images, plain_store):
    (shard,) = shards.encrypt(client, [images[:10]], "plain://images")
    run = lambda: shards.run(server, shard, images="plain://images", answers="plain://answers")
    plain_store.breaks = True
    with pytest.raises(beaa.FileAccessError, match="the line is cut"):
        run()
    assert [name for name in plain_store.files if "answers" in name] == [], "nothing is left"
    plain_store.breaks = False
    answer = run()
    name = f"answers/{shard.id}.answers.ct"
    whole = plain_store.files[name]
    # What an older release left there.
    plain_store.files[name] = whole[:100]
    with pytest.raises(beaa.BadFileError):
        shards.read_answers(shard, answer, "plain://answers")
    assert run() == answer and plain_store.files[name] == whole
    assert len(client.decrypt(shards.read_answers(shard, answer, "plain://answers"))) == 10
