"""Receipts, and what of answers is shown: the rules of the library."""

import os

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
    forgetful = beaa.Client.load(program.signature, tmp_path / "secret.key", receipts=tmp_path / "elsewhere")
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


@pytest.fixture(scope="module")
def precise(network, images):
    """A program whose error is small enough that noise may hide it."""
    model = beaa.import_onnx(network, mean=[0.1307], std=[0.3081], samples=images)
    return beaa.compile(model, batch=16, logit_error=1e-6)


def test_answers_are_shared_once(precise, images, tmp_path):
    client = beaa.Client(precise.signature)
    encrypted = client.encrypt(images[:2])
    receipt = tmp_path / "images.receipt"
    before = client.receipt(encrypted)
    before.save(receipt)
    results = beaa.Server(precise, client.evaluation_key).run(encrypted)
    with pytest.raises(beaa.MismatchError, match="no file with their receipt"):
        client.share(results)
    shared = client.share(results, receipt_file=receipt, bits=10)
    clear = precise.evaluate(images[:2])
    assert shared.noise > 0 and np.abs(shared.logits - clear).max() < 8 * shared.noise
    assert np.array_equal(shared.masked_classes.mask, [False, False])
    with pytest.raises(beaa.OptionError, match="shared before"):
        client.share(results, receipt_file=receipt, bits=10)

    # A receipt from before, over the file that knows, and in a file of its own.
    with pytest.raises(beaa.OptionError, match="says that its answers were shared"):
        before.save(receipt)
    again = tmp_path / "again.receipt"
    before.save(again)
    beaa.Receipt.from_bytes(before.to_bytes()).save(tmp_path / "bytes.receipt")
    client.receipt(encrypted).save(receipt)
    for file in (receipt, again, tmp_path / "bytes.receipt"):
        with pytest.raises(beaa.OptionError, match="shared before"):
            client.share(results, receipt_file=file, bits=10)


def test_receipts_lie_beside_the_key(precise, images, tmp_path):
    client = beaa.Client(precise.signature)
    early = client.encrypt(images[:2])
    client.save(tmp_path / "secret.key")
    late = client.encrypt(images[2:4])
    kept = tmp_path / "secret.key.receipts"
    assert {f.name for f in kept.iterdir()} == {f"{ct.batch}.receipt" for ct in (early, late)}
    if os.name == "posix":
        assert all(f.stat().st_mode & 0o077 == 0 for f in kept.iterdir())
    server = beaa.Server(precise, client.evaluation_key)
    results = [server.run(ct) for ct in (early, late)]

    # Another process, in which nothing was encrypted.
    later = beaa.Client.load(precise.signature, tmp_path / "secret.key")
    assert np.array_equal(later.decrypt(results[0]).classes, client.decrypt(results[0]).classes)
    assert later.receipt(late).to_bytes() == client.receipt(late).to_bytes()
    before = client.receipt(early)
    later.share(results[0], bits=10)
    # Whoever has the key knows that, whatever files there are.
    before.save(tmp_path / "copy.receipt")
    for who in (later, client, beaa.Client.load(precise.signature, tmp_path / "secret.key")):
        for file in (None, tmp_path / "copy.receipt"):
            with pytest.raises(beaa.OptionError, match="shared before"):
                who.share(results[0], receipt_file=file, bits=10)
    # The key written once more forgets nothing, in another folder neither.
    later.save(tmp_path / "copy.key", receipts=tmp_path / "receipts")
    copy = beaa.Client.load(precise.signature, tmp_path / "copy.key", receipts=tmp_path / "receipts")
    with pytest.raises(beaa.OptionError, match="shared before"):
        copy.share(results[0], receipt_file=tmp_path / "copy.receipt", bits=10)


def test_images_are_not_handed_out_without_a_receipt(precise, images, tmp_path):
    client = beaa.Client(precise.signature)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(beaa.FileAccessError):
        client.save(tmp_path / "secret.key", receipts=tmp_path / "file")
        client.encrypt(images[:2])
