"""From a network to decrypted classes."""

import numpy as np
import pytest

import beaa


def test_images_are_classified_without_being_seen(model, program, client, server, images):
    encrypted = client.encrypt(images)
    assert len(encrypted) == len(images) and encrypted.batches >= 1
    answers = client.decrypt(server.run(encrypted))
    agreement = np.mean(answers.classes == model.classify(images))
    assert agreement > 0.98, agreement
    assert len(answers) == len(images) and answers.outside == []


def test_rounded_outputs_are_those_of_the_program_in_clear(program, client, server, images):
    answers = client.decrypt(server.run(client.encrypt(images)))
    clear = program.evaluate(images)
    rounded, raw = answers.logits("rounded"), answers.logits("raw")
    assert rounded.shape == clear.shape == (len(images), 10)
    assert np.abs(raw - clear).max() < 12 * answers.error
    step = 2.0 ** np.ceil(np.log2(2 * answers.error))
    assert np.array_equal(rounded / step, np.round(rounded / step))
    assert np.abs(rounded - raw).max() <= step / 2


def test_client_and_server_meet_in_files_alone(program, images, tmp_path):
    program.signature.save(tmp_path / "program.signature")
    client = beaa.Client(beaa.Signature.load(tmp_path / "program.signature"))
    client.save(tmp_path / "secret.key")
    if client.evaluation_key is not None:
        client.evaluation_key.save(tmp_path / "evaluation.key")
    encrypted = client.encrypt(images[:5])
    encrypted.save(tmp_path / "images.ct")
    client.receipt(encrypted).save(tmp_path / "images.receipt")
    for name in ("secret.key", "images.receipt"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0, f"{name} is for its owner alone"

    program.save(tmp_path / "program.beaa")
    key = beaa.EvaluationKey.load(tmp_path / "evaluation.key") if program.signature.needs_evaluation_key else None
    server = beaa.Server(beaa.Program.load(tmp_path / "program.beaa"), key)
    server.run(beaa.EncryptedImages.load(tmp_path / "images.ct")).save(tmp_path / "answers.ct")

    again = beaa.Client.load(program.signature, tmp_path / "secret.key")
    results = beaa.EncryptedResults.load(tmp_path / "answers.ct")
    answers = again.decrypt(results, beaa.Receipt.load(tmp_path / "images.receipt"))
    assert np.array_equal(answers.classes, client.decrypt(results).classes)


def test_rows_of_real_numbers_are_checked_and_normalised(network, tmp_path):
    rng = np.random.default_rng(2)
    options = dict(mean=[50.0], std=[20.0], min=[0.0], max=[100.0], columns=["pressure"])
    samples = rng.uniform(0, 100, (50, 1, 28, 28))
    model = beaa.import_onnx(network, samples=samples, **options)
    assert model.takes_reals and model.samples == 50
    normalised = (samples[:3] - 50) / 20
    assert np.allclose(model.evaluate(samples[:3]), model.evaluate(normalised, normalised=True), atol=1e-4)
    samples[2, 0, 3, 3] = 100.5
    with pytest.raises(beaa.RangeError, match="sample 2.*pressure.*100.5"):
        model.evaluate(samples)
    with pytest.raises(beaa.InputKindError, match="8-bit pixels"):
        model.evaluate(np.zeros((1, 1, 28, 28), np.uint8))


def test_agreement_is_measured_on_images_that_were_held_out(model, images):
    def measured(agreement, **options):
        found = beaa.compile(model, batch=600, agreement=agreement, **options).report.totals["agreement"]
        return found["held_out"], found["samples"]

    assert measured(0.98) == (0, 600)
    assert measured(0.98, held_out=images[:100]) == (100, 0)
    # Too few to show it on their own.
    assert measured(0.99, held_out=images[:100]) == (100, 600)
    with pytest.raises(beaa.OptionError, match="100 images show no more"):
        beaa.compile(model, batch=600, agreement=0.99, samples=images[:100])


def test_a_report_is_text_figures_and_a_table(program):
    report = program.report
    assert report.totals["security"] == 128 and report.totals["agreement"]["at_least"] >= 0.99
    assert {"layer", "error", "remark"} <= report.layers[0].keys()
    assert "bits security" in str(report)
    html = report._repr_html_()
    assert html.count("<tr>") == len(report.layers) + 1 + 8 and "predicted agreement" in html


def test_a_passphrase_opens_the_key(program, tmp_path):
    client = beaa.Client(program.signature)
    client.save(tmp_path / "secret.key", passphrase="correct horse battery staple")
    with pytest.raises(beaa.PassphraseError):
        beaa.Client.load(program.signature, tmp_path / "secret.key")
    with pytest.raises(beaa.PassphraseError):
        beaa.Client.load(program.signature, tmp_path / "secret.key", passphrase="another one altogether")
    again = beaa.Client.load(program.signature, tmp_path / "secret.key", passphrase="correct horse battery staple")
    assert again.id == client.id
