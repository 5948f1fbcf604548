"""Training, which the command does."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import beaa
from conftest import DATA, ROOT

#: Says what it was told, and writes a model as the command does.
STAND_IN = f"""#!{sys.executable}
import json, pathlib, shutil, sys
arguments = sys.argv[1:]
out = pathlib.Path(arguments[arguments.index("--out") + 1])
out.mkdir(exist_ok=True)
configuration = json.loads(pathlib.Path(arguments[1]).read_text())
(out / "told.json").write_text(json.dumps([arguments, configuration]))
if configuration.get("fails"):
    sys.exit(3)
shutil.copy({str(DATA / "v2" / "model.safetensors")!r}, out / "student.safetensors")
"""

#: Works until it is interrupted, and saves then.
PATIENT = f"""#!{sys.executable}
import pathlib, signal, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
def save(*_):
    (out / "saved").write_text("saved")
    sys.exit(130)
signal.signal(signal.SIGINT, save)
(out / "begun").write_text("begun")
while True:
    signal.pause()
"""


def command(folder, text):
    path = folder / "stand-in"
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_command_is_named_where_it_is_missing(tmp_path):
    with pytest.raises(beaa.MissingPackageError, match="cargo install") as caught:
        beaa.train({}, None, tmp_path, command=tmp_path / "absent")
    assert isinstance(caught.value, ImportError) and list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="a script stands in for the command")
def test_the_command_is_told_what_to_train(tmp_path):
    stand_in, out = command(tmp_path, STAND_IN), tmp_path / "run"
    model = beaa.train({"name": "small"}, tmp_path / "data", out, resume=True, command=stand_in)
    arguments, configuration = json.loads((out / "told.json").read_text())
    assert (arguments[0], configuration) == ("train", {"name": "small"})
    assert arguments[2:] == ["--out", str(out), "--data", str(tmp_path / "data"), "--resume"]
    assert model.to_bytes() == beaa.Model.load(DATA / "v2" / "model.safetensors").to_bytes()
    file = tmp_path / "file.json"
    file.write_text("{}")
    beaa.train(file, None, out, command=stand_in)
    assert json.loads((out / "told.json").read_text()) == [["train", str(file), "--out", str(out)], {}]


@pytest.mark.skipif(os.name != "posix", reason="a script stands in for the command")
def test_a_command_that_fails_is_an_error(tmp_path):
    stand_in = command(tmp_path, STAND_IN)
    with pytest.raises(beaa.CommandError, match="exit code 3"):
        beaa.train({"fails": True}, None, tmp_path / "run", command=stand_in)
    with pytest.raises(beaa.OptionError, match="no JSON"):
        beaa.train({"rate": float("nan")}, None, tmp_path / "run", command=stand_in)


@pytest.mark.skipif(os.name != "posix", reason="a script stands in for the command")
def test_ctrl_c_has_the_command_save(tmp_path):
    stand_in = command(tmp_path, PATIENT)
    code = (
        "import beaa, sys\n"
        "try: beaa.train({}, None, sys.argv[2], command=sys.argv[1])\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, stand_in, tmp_path], stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "interrupted\n"
    assert (tmp_path / "saved").read_text() == "saved"


def test_the_command_itself(tmp_path):
    built = ROOT / "target" / "release" / "beaa"
    if not built.exists():
        pytest.skip("the command is not built here: cargo build --release --bin beaa")
    configuration = json.loads((ROOT / "configs" / "tiny.json").read_text())
    model = beaa.train(configuration, None, tmp_path / "run", command=built)
    assert model.outputs > 0 and (tmp_path / "run" / "student.safetensors").exists()
