"""What is worth knowing and no error."""

import warnings


class DeviatingWarning(UserWarning):
    """Images are outside of what the program was compiled for; the network may be wrong about them."""


def deviating(found: int, images: int) -> None:
    """Warns of images that are unlike those that the program was compiled with."""
    warnings.warn(
        f"encrypting images: found {found} of {images} images outside of what the program was compiled for, expected "
        "none; client.receipt(...).deviating says which",
        DeviatingWarning,
        stacklevel=2,
    )
