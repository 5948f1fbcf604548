"""Errors are exceptions with operation, found, expected and remedy."""

import pickle

import pytest

import beaa
from conftest import DATA


def test_every_part_of_a_message_is_an_attribute(tmp_path):
    with pytest.raises(beaa.BadFileError) as caught:
        beaa.Program.load(DATA / "v2" / "secret.key")
    error = caught.value
    assert error.operation == "reading a file" and error.found.startswith("a secret key file in ")
    assert error.expected == "a program file" and error.remedy.startswith("check that the file")
    for part in (error.operation, error.found, error.expected, error.remedy):
        assert part in str(error)


def test_all_that_is_unsupported_is_listed():
    with pytest.raises(beaa.UnsupportedError) as caught:
        beaa.import_onnx(DATA / "import" / "unsupported.classic.onnx")
    parts = caught.value.parts
    assert len(parts) == 3 and all(len(part) == 3 and all(part) for part in parts)
    relu = beaa.import_onnx(DATA / "import" / "teacher.classic.onnx")
    with pytest.raises(beaa.UnsupportedError, match="ReLU|relu"):
        beaa.compile(relu)


def test_errors_are_also_what_python_calls_them(tmp_path):
    with pytest.raises(OSError) as caught:
        beaa.load(tmp_path / "nowhere.safetensors")
    assert isinstance(caught.value, beaa.FileAccessError)
    with pytest.raises(ValueError):
        beaa.compile(beaa.load(DATA / "v2" / "model.safetensors"), security=100)
    with pytest.raises(beaa.VersionError, match="encrypt the images again") as caught:
        beaa.EncryptedResults.load(DATA / "v1" / "answers.ct")
    assert caught.value.expected == "format version 2 to 4"


def test_options_that_contradict_each_other(model):
    with pytest.raises(beaa.OptionError, match="leave one out"):
        beaa.compile(model, agreement=0.9, logit_error=0.1)
    with pytest.raises(beaa.OptionError, match="block:S"):
        beaa.compile(model, packing="loose")
    with pytest.raises(beaa.OptionError, match="give both"):
        beaa.import_onnx(DATA / "import" / "cryptonets.dynamo.onnx", min=[0.0])


def test_less_memory_than_it_takes():
    import subprocess
    import sys

    code = (
        "import beaa, sys; import numpy as np; from pathlib import Path\n"
        "program = beaa.Program.load(sys.argv[1]); client = beaa.Client(program.signature)\n"
        "beaa.limit_memory(1000)\n"
        "try: client.encrypt(np.zeros((1, 4), np.uint8))\n"
        "except MemoryError as e: print(e.expected, '|', e.remedy)\n"
    )
    program = DATA / "v2" / "program.beaa"
    found = subprocess.run([sys.executable, "-c", code, program], capture_output=True, text=True, check=True).stdout
    assert found.startswith("at most 1000 bytes of memory | encrypt to a file"), found


def test_exceptions_travel_between_processes(tmp_path):
    with pytest.raises(beaa.UnsupportedError) as caught:
        beaa.import_onnx(DATA / "import" / "unsupported.classic.onnx")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is beaa.UnsupportedError and str(again) == str(caught.value)
    assert (again.parts, again.remedy) == (caught.value.parts, caught.value.remedy)
