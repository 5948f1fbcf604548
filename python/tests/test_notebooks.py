"""The notebooks run from top to bottom."""

import importlib.util
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(path, tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: requirements-test.txt has it")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: requirements-test.txt has it")
    notebook = nbformat.read(path, as_version=4)
    if "import torch" in path.read_text() and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed here (3 GB): .ci/python torch runs this notebook")
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


def test_notebooks_are_kept_without_outputs():
    assert len(NOTEBOOKS) == 3
    for path in NOTEBOOKS:
        assert '"outputs": []' in path.read_text() and '"output_type"' not in path.read_text(), path
