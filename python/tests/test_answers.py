"""Receipts, and what of answers is shown: the rules of the library."""

import numpy as np
import pytest

import beaa


def test_logits_are_only_given_by_name(client, server, images):
    answers = client.decrypt(server.run(client.encrypt(images[:4])))
    with pytest.raises(TypeError):
        answers.logits()
    with pytest.raises(beaa.OptionError, match="`rounded` or `raw`"):
        answers.logits("all")
    assert not hasattr(answers, "exact")


def test_answers_to_another_batch_are_refused(client, server, images):
    first, second = client.encrypt(images[:4]), client.encrypt(images[4:8])
    assert first.batch != second.batch
    with pytest.raises(beaa.MismatchError):
        client.decrypt(server.run(second), client.receipt(first))


def test_answers_without_a_receipt_are_refused(program, client, server, images, tmp_path):
    results = server.run(client.encrypt(images[:4]))
    client.save(tmp_path / "secret.key")
    forgetful = beaa.Client.load(program.signature, tmp_path / "secret.key")
    with pytest.raises(beaa.MismatchError, match="has not encrypted") as caught:
        forgetful.decrypt(results)
    assert "receipt" in caught.value.remedy
    with pytest.raises(beaa.MismatchError, match="one that made it"):
        if program.signature.needs_evaluation_key:
            forgetful.evaluation_key
        else:
            pytest.skip("the program switches no keys")


def test_ciphertexts_of_another_key_are_refused(program, client, server, images):
    other = beaa.Client(program.signature)
    if program.signature.needs_evaluation_key:
        with pytest.raises(beaa.MismatchError):
            server.run(other.encrypt(images[:4]))
    else:
        with pytest.raises(beaa.MismatchError):
            client.decrypt(server.run(other.encrypt(images[:4])), client.receipt(client.encrypt(images[:4])))


def test_what_is_outside_of_the_promise_has_no_class(network):
    rng = np.random.default_rng(3)
    alike = (rng.normal(0, 0.02, (64, 1, 28, 28)) + 0.5).astype(np.float32)
    program = beaa.compile(beaa.import_onnx(network, samples=alike), batch=16, logit_error=0.01)
    client = beaa.Client(program.signature)
    unlike = alike[:8].copy()
    unlike[3] = np.where(rng.random((1, 28, 28)) < 0.5, -1.0, 1.0)
    with pytest.warns(beaa.DeviatingWarning, match="1 of 8 images"):
        encrypted = client.encrypt(unlike)
    assert client.receipt(encrypted).deviating == [3]
    answers = client.decrypt(beaa.Server(program, client.evaluation_key).run(encrypted))
    assert [o.image for o in answers.outside] == [3] and "is not from" in answers.outside[0].reason
    with pytest.raises(beaa.OutsideError, match="1 answers outside") as caught:
        answers.classes
    assert "masked_classes" in caught.value.remedy
    masked = answers.masked_classes
    assert masked.mask.tolist() == [False] * 3 + [True] + [False] * 4
    assert answers.names[3] is None and answers.names[0] is not None
    for how in ("rounded", "raw"):
        logits = answers.logits(how)
        assert np.isnan(logits[3]).all() and np.isfinite(logits[:3]).all()


def test_answers_are_shared_once(network, images, tmp_path):
    model = beaa.import_onnx(network, mean=[0.1307], std=[0.3081], samples=images)
    program = beaa.compile(model, batch=16, logit_error=1e-6)
    client = beaa.Client(program.signature)
    encrypted = client.encrypt(images[:2])
    receipt = tmp_path / "images.receipt"
    client.receipt(encrypted).save(receipt)
    results = beaa.Server(program, client.evaluation_key).run(encrypted)
    shared = client.share(results, receipt_file=receipt, bits=10)
    clear = program.evaluate(images[:2])
    assert shared.noise > 0 and np.abs(shared.logits - clear).max() < 8 * shared.noise
    assert np.array_equal(shared.masked_classes.mask, [False, False])
    with pytest.raises(beaa.OptionError, match="shared before"):
        client.share(results, receipt_file=receipt, bits=10)
