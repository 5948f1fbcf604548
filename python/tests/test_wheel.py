"""What is in the package besides code."""

import json
from importlib.metadata import files, metadata

from conftest import ROOT


def test_licences_are_in_the_package():
    assert metadata("beaa")["License-Expression"] == "MIT OR Apache-2.0"
    for name in ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.txt"):
        (found,) = [file for file in files("beaa") if file.name == name]
        assert found.read_text() == (ROOT / "python" / name).read_text()


def test_the_package_says_what_it_is_built_of():
    (found,) = [file for file in files("beaa") if file.name.endswith(".cyclonedx.json")]
    parts = json.loads(found.read_text())["components"]
    assert {"blake3", "numpy", "pyo3", "rayon"} <= {part["name"] for part in parts}
    assert all(part["version"] for part in parts) and not any("burn" in part["name"] for part in parts)
