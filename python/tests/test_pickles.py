"""Everything pickles but what holds a secret."""

import pickle

import numpy as np
import pytest

import beaa


def again(thing):
    return pickle.loads(pickle.dumps(thing))


def test_all_that_travels_pickles(model, program, client, server, images):
    encrypted = again(client.encrypt(images[:4]))
    results = again(again(server).run(encrypted))
    receipt = again(client.receipt(encrypted))
    assert np.array_equal(client.decrypt(results, receipt).classes, client.decrypt(server.run(encrypted)).classes)
    assert again(model).to_bytes() == model.to_bytes()
    assert again(program).to_bytes() == program.to_bytes() and again(program).report == program.report
    assert again(program.signature) == program.signature
    if client.evaluation_key is not None:
        assert again(client.evaluation_key).id == client.id


def test_samples_do_not_travel(model):
    assert model.samples == 600 and again(model).samples == 0
    with pytest.raises(beaa.Error, match="--samples|images"):
        beaa.compile(again(model), agreement=0.99)


def test_secrets_do_not_pickle(client, server, images):
    for secret in (client, client.decrypt(server.run(client.encrypt(images[:4])))):
        with pytest.raises(TypeError) as caught:
            pickle.dumps(secret)
        assert isinstance(caught.value, beaa.SecretError) and caught.value.remedy


def test_bytes_are_those_of_the_files(program, client, images, tmp_path):
    encrypted = client.encrypt(images[:4])
    for thing in (program, program.signature, encrypted, client.receipt(encrypted)):
        thing.save(tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == thing.to_bytes()
        (tmp_path / "file").unlink()


def test_damaged_bytes_are_refused(program, client, images):
    for thing in (program, program.signature, client.encrypt(images[:2])):
        damaged = bytearray(thing.to_bytes())
        damaged[len(damaged) // 2] ^= 1
        with pytest.raises(beaa.BadFileError, match="bytes in memory"):
            type(thing).from_bytes(bytes(damaged))
