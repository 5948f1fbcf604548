"""Where files of shards may lie, and how they are read and written there: on this machine, or where fsspec leads.

A location that somebody else wrote down is opened only inside of the folder that the caller names.
"""

from __future__ import annotations

import os
import re
import uuid

from .errors import Error, FileAccessError, MissingPackageError, OptionError

#: Names between the slashes of an address, behind the folder: nothing that a store could read as something else.
_NAME = re.compile(r"[A-Za-z0-9_=][A-Za-z0-9_=.-]*")

#: Stores that put an object under its name when it is whole. All others are given a temporary name first.
_WHOLE_OBJECTS = frozenset(["s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "memory"])


def join(folder: str | os.PathLike[str], name: str) -> str:
    """The location of a name in a folder."""
    folder = os.fspath(folder) or "."
    return f"{folder.rstrip('/')}/{name}"


def expect_inside(location: str, folder: str | os.PathLike[str], operation: str) -> None:
    """Refuses a location that is not inside of `folder`, however it is spelled."""
    folder = os.fspath(folder)
    if _is_address(location) or _is_address(folder):
        start = folder.rstrip("/") + "/"
        inside = location.startswith(start) and all(map(_NAME.fullmatch, location[len(start) :].split("/")))
    else:
        try:
            real, within = os.path.realpath(_file(location)), os.path.realpath(_file(folder))
            inside = real != within and os.path.commonpath([real, within]) == within
        except ValueError:  # No path at all: a zero byte, another drive.
            inside = False
    if not inside:
        raise OptionError(
            **_said(
                operation,
                f"a file in {location!r}",
                f"one inside of {folder!r}",
                "name the folder of your own files, and answer no descriptions that lead elsewhere",
            )
        )


def exists(location: str) -> bool:
    """Whether a file is there."""
    system, path = _open(location)
    return os.path.exists(path) if system is None else attempted(location, "looking for", system.exists, path)


def read(kind, location: str):
    """Reads a file of ciphertexts, whose checksum its kind checks."""
    system, path = _open(location)
    if system is None:
        return kind.load(path)
    return kind.from_bytes(attempted(location, "reading", system.cat_file, path))


def write(ciphertexts, location: str) -> None:
    """Writes a file that is whole under its name or not there."""
    system, path = _open(location)
    if system is None:
        attempted(location, "writing", lambda: os.makedirs(os.path.dirname(path) or ".", exist_ok=True))
        ciphertexts.save(path)
    else:
        attempted(location, "writing", _put, system, path, ciphertexts.to_bytes())


def _put(system, path: str, data: bytes) -> None:
    protocols = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
    if _WHOLE_OBJECTS.intersection(protocols):
        system.pipe_file(path, data)
        return
    system.makedirs(path.rpartition("/")[0], exist_ok=True)
    unfinished = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        system.pipe_file(unfinished, data)
        try:
            system.mv(unfinished, path)
        except OSError:
            # Some stores move nothing to a name that is used; what is there has the same bytes, or is damaged.
            if not system.exists(path):
                raise
            system.rm_file(path)
            system.mv(unfinished, path)
    except BaseException:
        try:
            system.rm_file(unfinished)
        except Exception:
            pass  # It has a name that nobody looks for; the first error says more.
        raise


def attempted(location: str | os.PathLike[str], operation: str, work, *arguments):
    """Does work on a store; what the system or its driver raises becomes an error of this package."""
    try:
        return work(*arguments)
    except Error:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        found = f"{type(error).__name__}: {error}"
        remedy = "check the address and the rights, and try again"
        raise FileAccessError(**_said(f"{operation} {os.fspath(location)}", found, "to get through", remedy)) from error


def _is_address(location: str) -> bool:
    return "://" in location and not location.startswith("file://")


def _file(location: str) -> str:
    return location.removeprefix("file://")


def _open(location: str):
    """The file system of fsspec and the path there; none for files of this machine."""
    if not _is_address(location):
        return None, _file(location)
    try:
        import fsspec
    except ImportError as error:
        raise _missing("fsspec", location) from error
    try:
        return fsspec.core.url_to_fs(location)
    except ImportError as error:
        raise _missing(error.name or str(error), location) from error
    except ValueError as error:
        expected = "an address of a store that fsspec knows"
        remedy = "see fsspec.available_protocols(), or give a file"
        raise OptionError(**_said(f"opening {location}", str(error), expected, remedy)) from error


def _missing(package: str, location: str) -> MissingPackageError:
    remedy = 'install it (fsspec: pip install fsspec), or give a file'
    return MissingPackageError(**_said(f"opening {location}", f"no package {package}", "it for such addresses", remedy))


def _said(operation: str, found: str, expected: str, remedy: str) -> dict:
    message = f"{operation}: found {found}, expected {expected}; {remedy}"
    return dict(message=message, operation=operation, found=found, expected=expected, remedy=remedy)
