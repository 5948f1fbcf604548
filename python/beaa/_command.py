"""The command `beaa`, for what this package leaves to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from typing import Any

from . import _beaa
from .errors import CommandError, MissingPackageError, OptionError

_Path = str | os.PathLike[str]


def train(
    configuration: _Path | Mapping[str, Any],
    data: _Path | None,
    out: _Path,
    *,
    resume: bool = False,
    command: _Path = "beaa",
) -> _beaa.Model:
    """Trains with `beaa train`, which must be installed, and gives the student; all files are in the folder `out`.

    `configuration` is a file, or what is in one. `data` is the folder of data sets, or None for those that are built
    in and those of the environment. What the command says goes where this process says it. Ctrl-C has it finish its
    step and save, and a later call with `resume=True` goes on.
    """
    program = shutil.which(os.fspath(command))
    if program is None:
        found, expected = f"no command {os.fspath(command)!r}", "the command `beaa`, since this package does not train"
        remedy = "install it from the repository with cargo install --path . --locked, or give command=..."
        message = f"training: found {found}, expected {expected}; {remedy}"
        said = dict(operation="training", found=found, expected=expected, remedy=remedy)
        raise MissingPackageError(message, **said)
    with tempfile.TemporaryDirectory(prefix="beaa-") as folder:
        path = configuration
        if isinstance(configuration, Mapping):
            path = os.path.join(folder, "configuration.json")
            try:
                with open(path, "w", encoding="utf-8") as file:
                    json.dump(configuration, file, allow_nan=False)
            except (TypeError, ValueError) as error:
                remedy = "use numbers, text, lists and dictionaries alone"
                message = f"training: found a configuration that is no JSON ({error}), expected JSON; {remedy}"
                raise OptionError(message, operation="training", expected="JSON", remedy=remedy) from error
        arguments = [program, "train", os.fspath(path), "--out", os.fspath(out)]
        arguments += [] if data is None else ["--data", os.fspath(data)]
        arguments += ["--resume"] if resume else []
        _run(arguments)
    return _beaa.Model.load(os.path.join(out, "student.safetensors"))


def _run(arguments: list[str]) -> None:
    """Runs the command to its end, which an interrupt asks for and does not cut short."""
    # In a session of its own: at a terminal an interrupt would come twice, and the second ends it before it saves.
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, start_new_session=True)
    interrupt = None
    while (code := process.poll()) is None:
        try:
            process.wait()
        except BaseException as raised:
            interrupt = raised
            process.send_signal(signal.SIGINT)
    if interrupt is not None:
        raise interrupt
    if code:
        found = f"exit code {code} of {' '.join(arguments[:2])}"
        remedy = "see what it said"
        message = f"training: found {found}, expected 0; {remedy}"
        raise CommandError(message, operation="training", found=found, expected="0", remedy=remedy)
