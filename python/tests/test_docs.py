"""The Python of the pages runs as printed, all of it in one folder that has the tests' data."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest

from conftest import ROOT

PAGES = ["docs/python.md", "docs/many-machines.md"]
BLOCKS = [
    block for page in PAGES for block in re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
]


def needs_torch(block):
    return re.search(r"^import torch|beaa\.torch|beaa\.convert\(", block, re.M) is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guide")
    (folder / "tests").symlink_to(ROOT / "tests")
    return folder


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_of_the_pages_runs(number, folder):
    block = BLOCKS[number]
    if needs_torch(block) and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed here (3 GB): .ci/python torch runs this block")
    script = folder / f"block{number}.py"
    # A guard, so that processes which it starts can import it.
    body = block if "__main__" in block else "def main():\n" + re.sub("^", "    ", block, flags=re.M)
    script.write_text(body if "__main__" in block else body + "\nif __name__ == '__main__':\n    main()\n")
    found = subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True, env=os.environ)
    assert found.returncode == 0, f"block {number}:\n{block}\n{found.stderr}"


def test_the_pages_have_blocks():
    assert len(BLOCKS) >= 5 and any(map(needs_torch, BLOCKS))
