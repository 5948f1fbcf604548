"""What arrays are taken, and that they are not copied as a whole."""

import tracemalloc

import numpy as np
import pytest

import beaa
from beaa._arrays import gathered, numbers
from conftest import DATA


def test_arrays_that_lie_well_are_read_in_place(images):
    assert np.shares_memory(numbers(images), images)
    floats = images.astype(np.float32)
    assert np.shares_memory(numbers(floats), floats)
    assert numbers(floats.astype(np.float64)).dtype == np.float32
    assert numbers(images[:, :, ::-1]).flags["C_CONTIGUOUS"]


def test_an_image_may_lie_on_one_axis_or_without_axes_of_length_1(model, images):
    whole = model.evaluate(images[:3])
    assert np.array_equal(model.evaluate(images[:3].reshape(3, -1)), whole)
    assert np.array_equal(model.evaluate(images[:3, 0]), whole)


@pytest.mark.parametrize("shape, remedy", [
    ((28, 28, 1), "x.transpose\\(0, 3, 1, 2\\)"), ((28, 1, 28), "x.transpose\\(...\\)"),
    ((14, 56), "crop or resize"), ((1, 1, 28, 28), "crop or resize"), ((2, 392), "crop or resize"),
])
def test_as_many_numbers_on_other_axes_are_another_image(model, program, client, images, shape, remedy):
    other = images[:2].reshape(2, *shape)
    for work in (model.evaluate, model.classify, program.evaluate, client.encrypt, model.with_samples):
        with pytest.raises(beaa.SizeError, match=remedy) as caught:
            work(other)
        assert caught.value.found == f"images of shape {list(shape)}"
    with pytest.raises(beaa.SizeError):
        beaa.verify(program, other)


def test_masks_are_not_lost(model, images):
    masked = np.ma.MaskedArray(images[:2], mask=False)
    assert np.array_equal(model.evaluate(masked), model.evaluate(images[:2]))
    masked[1, 0, 3, 3] = np.ma.masked
    for taken in (masked, [(masked, [0, 1])]):
        with pytest.raises(beaa.InputKindError, match="1 masked numbers"):
            beaa.import_onnx(DATA / "import" / "cryptonets.dynamo.onnx", samples=taken)
    for taken in (masked, [images[0], masked[1]]):
        with pytest.raises(beaa.InputKindError, match="filled"):
            model.evaluate(taken)


def test_what_is_no_array_is_refused(model):
    with pytest.raises(beaa.InputKindError, match="no array"):
        model.evaluate([[1.0, 2.0], [1.0]])


def test_pixels_are_normalised_and_floats_are_taken_as_they_are(model, images):
    floats = (images[:5] / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081)
    assert np.allclose(model.evaluate(floats), model.evaluate(images[:5]), atol=1e-5)


@pytest.mark.parametrize("kind", [np.int64, np.int8, bool, np.complex64])
def test_numbers_of_other_types_are_refused(model, kind):
    with pytest.raises(beaa.InputKindError, match="uint8") as caught:
        model.evaluate(np.zeros((2, 1, 28, 28), kind))
    assert caught.value.found == f"numbers of type {np.dtype(kind)}"


def test_other_sizes_are_refused(model, client):
    with pytest.raises(beaa.SizeError, match="783"):
        model.evaluate(np.zeros((2, 783), np.uint8))
    with pytest.raises(beaa.SizeError, match="x\\[None\\]"):
        model.evaluate(np.zeros(784, np.uint8))
    with pytest.raises(beaa.SizeError, match="no image"):
        client.encrypt(np.zeros((0, 784), np.uint8))
    with pytest.raises(beaa.SizeError):
        client.encrypt(np.zeros((3, 1, 28, 29), np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9])
def test_numbers_that_no_image_has_are_refused(client, value):
    images = np.zeros((3, 784), np.float32)
    images[1, 7] = value
    with pytest.raises(beaa.RangeError, match="image 1 out of range") as caught:
        client.encrypt(images)
    assert "normalise" in caught.value.remedy


def test_pixels_as_floats_that_were_not_normalised_are_refused(client, images):
    with pytest.raises(beaa.RangeError, match="normalise"):
        client.encrypt(images[:2].astype(np.float32))


def test_results_are_not_copied(model, images):
    logits = model.evaluate(images)
    assert logits.flags["C_CONTIGUOUS"] and logits.base is not None, "it belongs to the library"
    tracemalloc.start()
    for _ in range(3):
        model.classify(images[:2])
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_loaders_of_batches_are_gathered(images):
    pairs = [(images[i : i + 100], np.arange(100)) for i in range(0, 600, 100)]
    assert np.array_equal(gathered(pairs, 250), images[:250])
    assert np.array_equal(gathered((x for x, _ in pairs), 10_000), images)
    assert np.array_equal(gathered(images, 7), images[:7])
