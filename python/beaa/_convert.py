"""Networks from PyTorch, from ONNX and from files."""

from __future__ import annotations

import os
import tempfile

from . import _beaa
from ._arrays import gathered
from .errors import MissingPackageError

#: Samples that a program is compiled with, at most.
LIMIT = 4096


def load(path) -> _beaa.Model:
    """Reads a model file of beaa: `model.safetensors`."""
    return _beaa.Model.load(path)


def import_onnx(path, *, samples=None, limit=LIMIT, **options) -> _beaa.Model:
    """Reads a network that another library wrote as ONNX; `samples` as `convert` takes them."""
    if samples is not None:
        samples = gathered(samples, limit)
    return _beaa.import_onnx(path, samples=samples, limit=limit, **options)


def convert(module, example, *, samples=None, limit=LIMIT, name=None, **options) -> _beaa.Model:
    """Makes a model of a PyTorch module, through ONNX.

    `example` is a tensor as the module takes it, with the axis of images; only its shape counts. `samples`, an array,
    a tensor or a loader of batches (labels beside them are left aside), shows which values occur: programs are smaller
    with them, and `compile(agreement=...)` needs them. At most `limit` of them are kept, in this process alone.
    """
    torch = _torch()
    # Each part has a mode of its own: frozen ones stay in evaluation mode while the rest is trained.
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with tempfile.TemporaryDirectory(prefix="beaa-") as folder:
            path = os.path.join(folder, "network.onnx")
            with torch.no_grad():
                torch.onnx.export(module, (example[:1],), path, dynamo=True, external_data=False, verbose=False)
            return import_onnx(path, samples=samples, limit=limit, name=name or type(module).__name__, **options)
    finally:
        for part, training in modes:
            part.training = training


def _torch():
    try:
        import onnxscript  # noqa: F401  the exporter's own dependency
        import torch
    except ImportError as error:
        remedy = 'install them with pip install "beaa[torch]", or export to ONNX elsewhere and use beaa.import_onnx'
        said = dict(operation="converting a module", found=f"no package {error.name}", expected="PyTorch and onnxscript")
        message = f"converting a module: found {said['found']}, expected {said['expected']}; {remedy}"
        raise MissingPackageError(message, remedy=remedy, **said) from error
    return torch
