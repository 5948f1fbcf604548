"""What can go wrong, by what a caller can do about it.

Every exception says what was being done (`operation`), what was found, what was expected, and what to do (`remedy`);
a part that the message does not speak of is None.
"""

from __future__ import annotations


class Error(Exception):
    """Any error of this package."""

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        found: str | None = None,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.found = found
        self.expected = expected
        self.remedy = remedy

    def __reduce__(self):
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind, arguments, parts):
    error = kind(*arguments)
    error.__dict__.update(parts)
    return error


class FileAccessError(Error, OSError):
    """The system could not read or write a file."""


class BadFileError(Error, ValueError):
    """A file is damaged, of another kind, or contradicts itself."""


class VersionError(BadFileError):
    """A file has a format version that this release does not read."""


class DataSetError(Error, ValueError):
    """A data set is missing, damaged or not what it should be."""


class UnsupportedError(Error, ValueError):
    """Parts of a network that have no counterpart under encryption; all of them, in `parts`."""

    def __init__(self, message: str, *, parts: list[tuple[str, str, str]] = [], **said) -> None:
        super().__init__(message, **said)
        #: The name of each part, what it is, and what to do about it.
        self.parts = list(parts)


class OptionError(Error, ValueError):
    """An option or a setting is out of range."""


class NoProgramError(Error, ValueError):
    """No program satisfies the options: precision, security and memory together ask for too much."""


class MemoryShortageError(Error, MemoryError):
    """There is less memory than the work needs; nothing was started."""


class DeviceError(Error, RuntimeError):
    """A graphics card, its driver or its memory fails, or is not there."""


class SizeError(Error, ValueError):
    """An array is not of the size that the network takes."""


class InputKindError(Error, TypeError):
    """Pixels for a network that takes real numbers, or numbers that are neither."""


class RangeError(Error, ValueError):
    """A number is outside of what the network or its program takes."""


class MismatchError(Error, ValueError):
    """A key, ciphertexts, a receipt and a program that do not belong together."""


class ForgedError(Error, ValueError):
    """Answers that no program computed. What they decrypt to may tell the key."""


class OutsideError(Error, ValueError):
    """Some answers are outside of what the program promises, and have no class."""


class PassphraseError(Error, ValueError):
    """A secret key needs its passphrase, or this is another one."""


class SeedError(Error, ValueError):
    """A key or ciphertexts were made with a seed, for tests alone."""


class SecretError(Error, TypeError):
    """Something that holds a secret was about to leave the process unasked."""


class StoppedError(Error):
    """Work was stopped before its end."""


class ForkError(Error, RuntimeError):
    """This process was forked after the library's threads were started."""


class CommandError(Error, RuntimeError):
    """The command `beaa` failed; it has said why."""


class MissingPackageError(Error, ImportError):
    """A package that this function needs is not installed."""
