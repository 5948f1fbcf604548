"""What of the package is written in Rust."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt

from ._report import Report
from ._verification import Verification

__all__ = [
    "Answers",
    "Client",
    "EncryptedImages",
    "EncryptedResults",
    "EvaluationKey",
    "Model",
    "Outside",
    "Program",
    "Receipt",
    "Server",
    "Shard",
    "ShardAnswer",
    "Shared",
    "Signature",
    "__version__",
    "compile",
    "forbid_core_dumps",
    "import_onnx",
    "limit_memory",
    "verify",
]

__version__: str

_Path = str | os.PathLike[str]
#: An array or tensor `[image, ...]`: uint8 pixels, or floats.
_Images = npt.ArrayLike | Any
#: True for a bar, or what is told of the work, of the steps that are done, and of how many there are.
_Progress = bool | Callable[[str, int, int], object]

@final
class Model:
    """A trained network. One with ReLU can be evaluated in clear; only quadratics can be compiled."""

    @staticmethod
    def load(path: _Path) -> Model:
        """Reads a model file."""
    def save(self, path: _Path) -> None:
        """Writes a model file."""
    @staticmethod
    def from_bytes(data: bytes) -> Model:
        """Reads the bytes of a model file."""
    def to_bytes(self) -> bytes:
        """Gives the bytes of the file that `save` writes; samples are not among them."""
    def with_samples(self, samples: _Images, *, limit: int = 4096, normalised: bool = False) -> Model:
        """The same network, with samples for `compile` and with the ranges that 256 of them show."""
    @property
    def name(self) -> str: ...
    @property
    def notes(self) -> list[str]:
        """What the importer decided or left out."""
    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns."""
    @property
    def outputs(self) -> int: ...
    @property
    def class_names(self) -> list[str]:
        """Empty where the network names no classes."""
    @property
    def takes_reals(self) -> bool:
        """Whether it takes real numbers, rows of a table or signals, in place of pixels."""
    @property
    def samples(self) -> int:
        """How many samples there are for `compile`."""
    def evaluate(self, images: _Images, *, normalised: bool = False) -> npt.NDArray[np.float64]:
        """Evaluates the network in clear: one row of logits for each image."""
    def classify(self, images: _Images, *, normalised: bool = False) -> npt.NDArray[np.int64]:
        """The class of each image, in clear."""
    def __reduce__(self) -> Any: ...

def import_onnx(
    path: _Path,
    *,
    name: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    classes: Sequence[str] | None = None,
    shape: tuple[int, int, int] | None = None,
    output: str | None = None,
    threshold: float | None = None,
    min: Sequence[float] | None = None,
    max: Sequence[float] | None = None,
    columns: Sequence[str] | None = None,
    samples: _Images | None = None,
    limit: int = 4096,
    normalised: bool = False,
) -> Model:
    """Reads a network that another library wrote as ONNX; the options are those of `beaa import`."""

def compile(
    model: Model,
    *,
    batch: int = 4096,
    agreement: float | None = None,
    logit_error: float | None = None,
    security: int = 128,
    packing: str = "auto",
    samples: _Images | None = None,
    held_out: _Images | None = None,
    normalised: bool = False,
    memory: int | None = None,
    input_bits: int | None = None,
    weight_bits: int | None = None,
    range_safety: float | None = None,
) -> Program:
    """Compiles a network for encrypted batches; the options are those of `beaa compile`.

    `samples` replace those of the model. `agreement` is measured on `held_out`, images that the network was not trained
    on, if there are any, else on the samples. Ctrl-C returns at once; the compiler ends with the pass that it is at.
    """

def verify(
    program: Program,
    images: _Images,
    *,
    normalised: bool = False,
    device: str = "processor",
    progress: _Progress | None = None,
) -> Verification:
    """Runs a program in clear and encrypted, under keys that are thrown away, and compares after every layer."""

@final
class Program:
    """A network as homomorphic operations. A server needs it; it holds the network's weights."""

    @staticmethod
    def load(path: _Path) -> Program: ...
    def save(self, path: _Path) -> None: ...
    @staticmethod
    def from_bytes(data: bytes) -> Program: ...
    def to_bytes(self) -> bytes: ...
    @property
    def signature(self) -> Signature:
        """What clients need of the program: none of its weights."""
    @property
    def report(self) -> Report:
        """What it costs, layer by layer, and how precise it is."""
    def evaluate(self, images: _Images, *, normalised: bool = False) -> npt.NDArray[np.float64]:
        """Runs the program in clear: what encryption would answer without noise."""
    def __reduce__(self) -> Any: ...

@final
class Signature:
    """What a client knows of a program: sizes, scales and parameters, but no weight."""

    @staticmethod
    def load(path: _Path) -> Signature:
        """Reads a signature file, or the signature in a program file."""
    def save(self, path: _Path) -> None: ...
    @staticmethod
    def from_bytes(data: bytes) -> Signature: ...
    def to_bytes(self) -> bytes: ...
    @property
    def program(self) -> str:
        """The program's fingerprint, hexadecimal."""
    @property
    def slots(self) -> int: ...
    @property
    def capacity(self) -> int:
        """Images that one batch holds."""
    @property
    def security_bits(self) -> int: ...
    @property
    def needs_evaluation_key(self) -> bool: ...
    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    @property
    def class_names(self) -> list[str]: ...
    @property
    def takes_reals(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> Any: ...

@final
class Client:
    """Holds the secret key of one program, and the receipts of what it encrypted. Cannot be pickled."""

    def __new__(cls, signature: Signature) -> Client:
        """Makes the keys for the program with this signature."""
    @staticmethod
    def load(
        signature: Signature, path: _Path, *, passphrase: str | None = None, receipts: _Path | None = None
    ) -> Client:
        """Takes up a secret key that `save` wrote, and the receipts in the folder `receipts`, `path`.receipts if None.

        Receipts of what it encrypts are written there before `encrypt` returns.
        """
    def save(self, path: _Path, *, passphrase: str | None = None, receipts: _Path | None = None) -> None:
        """Writes the secret key, readable by its owner alone, under a passphrase if there is one.

        Receipts, those so far and all later ones, are kept in the folder `receipts`, `path`.receipts if None.
        """
    @property
    def signature(self) -> Signature: ...
    @property
    def id(self) -> str:
        """The name of the pair of keys."""
    @property
    def evaluation_key(self) -> EvaluationKey | None:
        """The key for the server; None where the program switches no keys."""
    def encrypt(
        self, images: _Images, *, normalised: bool = False, progress: _Progress | None = None
    ) -> EncryptedImages:
        """Encrypts images, in as many batches as hold them, and keeps their receipt, beside the key if it has a file.

        uint8 are pixels. Floats are numbers as the network itself takes them, or measured values where the network
        takes real numbers (`normalised=True`: normalised ones).
        """
    def receipt(self, images: EncryptedImages) -> Receipt:
        """The receipt of images that this client encrypted."""
    def decrypt(self, results: EncryptedResults, receipt: Receipt | None = None) -> Answers:
        """Decrypts the answers to images that this client encrypted, or of which the receipt is given."""
    def share(self, results: EncryptedResults, *, receipt_file: _Path | None = None, bits: int = 30) -> Shared:
        """Decrypts answers for others to see, once; the receipt in the file, and that beside the key, note it first."""
    def __reduce__(self) -> Any: ...

@final
class Server:
    """Runs one program, for the client whose evaluation key it has. No secret key can get in."""

    def __new__(
        cls, program: Program, evaluation_key: EvaluationKey | None = None, device: str = "processor"
    ) -> Server:
        """Prepares a program to run on `processor`, or on a graphics card: `cuda`, `cuda:1`."""
    @property
    def signature(self) -> Signature: ...
    def run(self, images: EncryptedImages, *, progress: _Progress | None = None) -> EncryptedResults:
        """Runs the program on encrypted images, batch after batch, on all threads."""
    def __reduce__(self) -> Any: ...

@final
class EvaluationKey:
    """The key that a server needs. Holds no secret."""

    @staticmethod
    def load(path: _Path) -> EvaluationKey: ...
    def save(self, path: _Path) -> None: ...
    @staticmethod
    def from_bytes(data: bytes) -> EvaluationKey: ...
    def to_bytes(self) -> bytes: ...
    @property
    def id(self) -> str: ...
    def __reduce__(self) -> Any: ...

@final
class EncryptedImages:
    """Encrypted images on their way to a server."""

    @staticmethod
    def load(path: _Path) -> EncryptedImages:
        """Maps the file: it is not copied into memory."""
    def save(self, path: _Path) -> None: ...
    @staticmethod
    def from_bytes(data: bytes) -> EncryptedImages: ...
    def to_bytes(self) -> bytes: ...
    @property
    def batches(self) -> int: ...
    @property
    def batch(self) -> str | None:
        """The name of the first batch, by which its receipt is found."""
    @property
    def nbytes(self) -> int: ...
    def __len__(self) -> int:
        """Number of images."""
    def __reduce__(self) -> Any: ...

@final
class EncryptedResults:
    """Encrypted results on their way to a client."""

    @staticmethod
    def load(path: _Path) -> EncryptedResults:
        """Maps the file: it is not copied into memory."""
    def save(self, path: _Path) -> None: ...
    @staticmethod
    def from_bytes(data: bytes) -> EncryptedResults: ...
    def to_bytes(self) -> bytes: ...
    @property
    def batches(self) -> int: ...
    @property
    def batch(self) -> str | None: ...
    @property
    def nbytes(self) -> int: ...
    def __len__(self) -> int: ...
    def __reduce__(self) -> Any: ...

@final
class Receipt:
    """What a client remembers of the images that it sent. Not for the server."""

    @staticmethod
    def load(path: _Path) -> Receipt: ...
    def save(self, path: _Path) -> None:
        """Writes the receipt, readable by its owner alone; refused where it would forget that answers were shared."""
    @staticmethod
    def from_bytes(data: bytes) -> Receipt: ...
    def to_bytes(self) -> bytes: ...
    @property
    def batch(self) -> str: ...
    @property
    def deviating(self) -> list[int]:
        """Images that are unlike those that the program was compiled for."""
    def __len__(self) -> int: ...
    def __reduce__(self) -> Any: ...

@final
class Outside:
    """An image whose answer is worth nothing."""

    @property
    def image(self) -> int: ...
    @property
    def output(self) -> int: ...
    @property
    def found(self) -> float: ...
    @property
    def reason(self) -> str: ...

@final
class Answers:
    """Decrypted answers, for the owner of the key alone. Cannot be pickled whole."""

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """The class of each image; raises `OutsideError` where an answer is worth nothing."""
    @property
    def masked_classes(self) -> np.ma.MaskedArray[Any, np.dtype[np.int64]]:
        """The class of each image, masked where its answer is worth nothing."""
    @property
    def names(self) -> list[str | None]:
        """The name of each image's class; None where its answer is worth nothing."""
    @property
    def outside(self) -> list[Outside]:
        """The images whose answers are worth nothing."""
    @property
    def error(self) -> float:
        """Deviation of the outputs' errors."""
    def logits(self, how: Literal["rounded", "raw"]) -> npt.NDArray[np.float64]:
        """The outputs, not numbers for images outside. Raw ones hold noise that tells of the secret key."""
    def __len__(self) -> int: ...
    def __reduce__(self) -> Any: ...

@final
class Shared:
    """Decrypted answers that others may see."""

    @property
    def masked_classes(self) -> np.ma.MaskedArray[Any, np.dtype[np.int64]]: ...
    @property
    def names(self) -> list[str | None]: ...
    @property
    def logits(self) -> npt.NDArray[np.float64]:
        """The outputs, with the noise that hides the encryption's own."""
    @property
    def noise(self) -> float:
        """Deviation of that noise."""
    @property
    def outside(self) -> list[Outside]: ...
    def __len__(self) -> int: ...

@final
class Shard:
    """Encrypted images in a file of their own: for which program, under which key, what they hold, and where."""

    def __new__(cls, images: EncryptedImages, ciphertexts: str) -> Shard:
        """Describes images that lie at `ciphertexts`, a file or an address."""
    @staticmethod
    def from_json(text: str) -> Shard: ...
    def to_json(self) -> str: ...
    @property
    def id(self) -> str:
        """The name of the shard: of program, key and ciphertexts, wherever they lie."""
    @property
    def program(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def ciphertexts(self) -> str:
        """Where the ciphertexts lie."""
    def expect(self, images: EncryptedImages) -> None:
        """Refuses images that are not those of the shard."""
    def answered(self, results: EncryptedResults, answers: str) -> ShardAnswer:
        """The record of answers to this shard, which lie at `answers`; others are refused."""
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> Any: ...

@final
class ShardAnswer:
    """The record of the answers to a shard: to which one, what they hold, and where."""

    @staticmethod
    def from_json(text: str) -> ShardAnswer: ...
    def to_json(self) -> str: ...
    @property
    def shard(self) -> str: ...
    @property
    def checksum(self) -> str: ...
    @property
    def answers(self) -> str:
        """Where the answers lie."""
    def expect(self, shard: Shard, results: EncryptedResults) -> None:
        """Refuses answers that are not those which the record speaks of."""
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> Any: ...

def forbid_core_dumps() -> None:
    """Forbids core dumps of this process, which would hold the keys of its clients."""

def limit_memory(bytes: int) -> None:
    """Sets the bytes of memory that one piece of work of this process may take."""
