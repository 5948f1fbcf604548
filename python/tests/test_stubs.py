"""The stubs name what is there, and nothing else."""

import subprocess
import sys

import beaa


def test_stubs_and_module_agree():
    command = [sys.executable, "-m", "mypy.stubtest", "beaa._beaa", "--ignore-disjoint-bases"]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_all_that_is_promised_is_there():
    for name in beaa.__all__:
        assert getattr(beaa, name) is not None
        assert name in ("__version__", "limit_memory") or getattr(beaa, name).__doc__ or name == "compile", name
