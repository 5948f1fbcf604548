"""Batched encrypted inference of neural networks: convert, compile, encrypt, run, decrypt.

A hospital has images, a company has a network, and neither shows them to the other::

    model = beaa.convert(torch_module, example, samples=loader)  # the company
    program = beaa.compile(model, batch=4096, agreement=0.999)
    client = beaa.Client(program.signature)                      # the hospital
    ct = client.encrypt(x)
    answer = beaa.Server(program, client.evaluation_key).run(ct)  # the company
    classes = client.decrypt(answer).classes                     # the hospital
"""

import importlib as _importlib

from ._beaa import (
    Answers,
    Client,
    EncryptedImages,
    EncryptedResults,
    EvaluationKey,
    Model,
    Outside,
    Program,
    Receipt,
    Server,
    Shard,
    ShardAnswer,
    Shared,
    Signature,
    __version__,
    compile,
    forbid_core_dumps,
    limit_memory,
    verify,
)
from ._command import train
from ._convert import convert, import_onnx, load
from ._report import Report
from ._verification import Verification
from ._warnings import DeviatingWarning
from .errors import (
    BadFileError,
    CommandError,
    DataSetError,
    DeviceError,
    Error,
    FileAccessError,
    ForgedError,
    ForkError,
    InputKindError,
    MemoryShortageError,
    MismatchError,
    MissingPackageError,
    NoProgramError,
    OptionError,
    OutsideError,
    PassphraseError,
    RangeError,
    SecretError,
    SeedError,
    SizeError,
    StoppedError,
    UnsupportedError,
    VersionError,
)

__all__ = [
    "Answers",
    "BadFileError",
    "Client",
    "CommandError",
    "DataSetError",
    "DeviceError",
    "DeviatingWarning",
    "EncryptedImages",
    "EncryptedResults",
    "Error",
    "EvaluationKey",
    "FileAccessError",
    "ForgedError",
    "ForkError",
    "InputKindError",
    "MemoryShortageError",
    "MismatchError",
    "MissingPackageError",
    "Model",
    "NoProgramError",
    "OptionError",
    "Outside",
    "OutsideError",
    "PassphraseError",
    "Program",
    "RangeError",
    "Receipt",
    "Report",
    "SecretError",
    "SeedError",
    "Server",
    "Shard",
    "ShardAnswer",
    "Shared",
    "Signature",
    "SizeError",
    "StoppedError",
    "UnsupportedError",
    "Verification",
    "VersionError",
    "__version__",
    "compile",
    "convert",
    "forbid_core_dumps",
    "import_onnx",
    "limit_memory",
    "load",
    "train",
    "verify",
]

# Modules that need packages of their own are imported when they are named.
_ON_DEMAND = ("dask", "ray", "shards", "torch")


def __getattr__(name):
    if name in _ON_DEMAND:
        return _importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
