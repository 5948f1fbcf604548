"""Whatever holds numbers as an array that the library reads in place."""

import numpy as np

from .errors import InputKindError


def numbers(images):
    """Gives bytes or 32-bit floats, one behind the other: `images` itself where it is that already.

    Tensors of PyTorch are taken from their device; 64-bit floats are rounded, as the network's own numbers are.
    """
    if hasattr(images, "detach"):
        images = images.detach().cpu()
    masked = _masked(images)
    if masked:
        remedy = "fill what is masked with x.filled(...), or leave those images out"
        raise _wrong(f"{masked} masked numbers", "an array without a mask", remedy)
    try:
        array = np.asarray(images)
    except (TypeError, ValueError, RuntimeError) as error:
        found = f"{type(images).__name__}, which NumPy makes no array of ({error})"
        raise _wrong(found, "an array", "convert it to a dense array of uint8 or float32") from error
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if np.issubdtype(array.dtype, np.floating):
        return np.ascontiguousarray(array, dtype=np.float32)
    remedy = "convert them with x.astype(...): a guess would be another image"
    raise _wrong(f"numbers of type {array.dtype}", "uint8 for pixels, floats for all else", remedy)


def gathered(samples, limit):
    """Gives at most `limit` samples of an array, a tensor or a loader of batches, with labels or without."""
    if hasattr(samples, "shape"):
        return numbers(samples[:limit])
    batches, count = [], 0
    for batch in samples:
        # A loader with labels gives pairs.
        if isinstance(batch, (tuple, list)) and hasattr(batch[0], "shape"):
            batch = batch[0]
        batches.append(numbers(batch)[: limit - count])
        count += len(batches[-1])
        if count >= limit:
            break
    return np.concatenate(batches) if batches else np.empty((0, 1), np.float32)


def _masked(images):
    """How many numbers are masked: in an array, or in a list of them, of which NumPy would drop the masks."""
    if isinstance(images, (list, tuple)):
        return sum(map(_masked, images))
    return int(np.ma.count_masked(images)) if isinstance(images, np.ma.MaskedArray) else 0


def _wrong(found, expected, remedy):
    message = f"taking images: found {found}, expected {expected}; {remedy}"
    return InputKindError(message, operation="taking images", found=found, expected=expected, remedy=remedy)
