"""Clear and encrypted side by side."""

import pickle

import pytest

import beaa


def test_a_program_is_verified_layer_by_layer(program, images):
    told = []
    found = beaa.verify(program, images[:20], progress=lambda *step: told.append(step))
    assert found.holds and (found.images, found.agreeing) == (20, 20)
    assert [layer["verdict"] for layer in found.layers] == ["holds"] * len(found.layers) and len(found.layers) > 3
    assert all(0 < layer["measured"] <= 2 * layer["predicted"] for layer in found.layers)
    assert told[-1][1] == told[-1][2] > 0
    assert str(found).endswith("20 of 20 images have the same class") and "holds" in repr(found)
    assert str(pickle.loads(pickle.dumps(found))) == str(found) and "<th>predicted</th>" in found._repr_html_()


def test_more_images_than_a_batch_are_refused(program, images):
    with pytest.raises(beaa.SizeError):
        beaa.verify(program, images.repeat(8, axis=0))
