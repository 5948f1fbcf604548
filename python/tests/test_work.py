"""Long work: the interpreter goes on, progress is told, Ctrl-C ends it."""

import os
import re
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import beaa
from conftest import DATA


def test_other_threads_go_on(deep):
    client = beaa.Client(deep.signature)
    images = np.zeros((16384, 784), np.float32)
    ticks, stop = [], threading.Event()

    def count():
        while not stop.wait(0.005):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=count)
    thread.start()
    before = len(ticks)
    client.encrypt(images)
    during = len(ticks) - before
    stop.set()
    thread.join()
    # With the interpreter's lock held there would be one at the most.
    assert during > 3, f"{during} ticks"


def test_progress_is_told(deep):
    client = beaa.Client(deep.signature)
    told = []
    client.encrypt(np.zeros((16384, 784), np.float32), progress=lambda *step: told.append(step))
    assert told and told[-1][0].startswith("encrypt") and told[-1][1] == told[-1][2] > 100
    assert [d for _, d, _ in told] == sorted(d for _, d, _ in told)


def test_progress_is_a_bar(client, images, capsys):
    client.encrypt(images, progress=True)
    assert "encrypt" in capsys.readouterr().err
    with pytest.raises(beaa.InputKindError, match="callable"):
        client.encrypt(images, progress="yes")


def test_what_progress_raises_stops_the_work(deep):
    client = beaa.Client(deep.signature)

    def enough(*_):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        client.encrypt(np.zeros((16384, 784), np.float32), progress=enough)


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
import beaa

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

program = beaa.Program.load(sys.argv[1])
client = beaa.Client(program.signature)
images = np.zeros((16384 * int(sys.argv[2]), 784), np.float32)
told = []

def watch(*step):
    told.append(step)
    if len(told) == 1:
        interrupt()

if sys.argv[3] == "encrypt":
    work = lambda: client.encrypt(images, progress=watch)
else:
    ct = client.encrypt(images)
    server = beaa.Server(program, client.evaluation_key)
    work = lambda: server.run(ct, progress=watch)
try:
    work()
    print("done")
except KeyboardInterrupt:
    print("interrupted:", *told[-1])
# The library is as good as before.
assert len(client.encrypt(images[:2])) == 2
"""


@pytest.mark.parametrize("work", ["encrypt", "run"])
def test_ctrl_c_ends_the_work(deep, work, tmp_path):
    deep.save(tmp_path / "program.beaa")
    arguments = [sys.executable, "-c", INTERRUPTED, tmp_path / "program.beaa", "2", work]
    found = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    # In the first of several batches.
    assert re.fullmatch(f"interrupted: {work}, batch 1 of [1-9][0-9]* [0-9]+ [0-9]+\n", found.stdout), found.stdout


def test_a_forked_process_is_told(client, images):
    client.encrypt(images[:1])
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            client.encrypt(images[:1])
        except beaa.ForkError as error:
            code = 7 if "spawn" in error.remedy else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


FORKED = """
import os, signal, sys
import beaa

program, key = beaa.Program.load(sys.argv[1]), beaa.EvaluationKey.load(sys.argv[2])
pid = os.fork()
if pid == 0:
    signal.alarm(30)  # It would wait for ever.
    for work in (
        lambda: beaa.EvaluationKey.load(sys.argv[2]),
        lambda: beaa.EvaluationKey.from_bytes(open(sys.argv[2], "rb").read()),
        key.to_bytes,
        lambda: key.save(sys.argv[2] + ".copy"),
        lambda: beaa.Program.load(sys.argv[1]),
        lambda: beaa.Client(program.signature),
    ):
        try:
            work()
            os._exit(1)
        except beaa.ForkError:
            pass
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_reading_a_key_with_rotations_is_work(tmp_path):
    # It is read by many threads, and nothing else has started them.
    program = beaa.compile(beaa.load(DATA / "v2" / "model.safetensors"), batch=1, logit_error=0.01, packing="channel")
    client = beaa.Client(program.signature)
    program.save(tmp_path / "program.beaa")
    client.evaluation_key.save(tmp_path / "evaluation.key")
    arguments = [sys.executable, "-c", FORKED, tmp_path / "program.beaa", tmp_path / "evaluation.key"]
    found = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert found.stdout == "7\n", (found.stdout, found.stderr)


COMPILED = """
import os, signal, sys, threading
import beaa

def threads():
    return len(os.listdir("/proc/self/task"))

model = beaa.import_onnx(sys.argv[1])
beaa.compile(model, batch=16, logit_error=1e-2)  # Starts the threads of the library.
before = threads()
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
count, caught = 0, False
try:
    while True:
        beaa.compile(model, batch=16384, logit_error=1e-4)
        count += 1
except KeyboardInterrupt:
    caught = True
while threads() > before:
    pass
print("interrupted" if caught else "never")
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="there is no /proc/self/task here, as Linux has it")
def test_ctrl_c_ends_compiling(network):
    # That no pass is begun afterwards is tested in the library; here, that the work's thread ends.
    found = subprocess.run([sys.executable, "-c", COMPILED, network], capture_output=True, text=True, timeout=120)
    assert found.stdout == "interrupted\n", (found.stdout, found.stderr)


def test_a_client_may_be_used_by_many_threads(client, server, images):
    classes = [None] * 4

    def one(i):
        classes[i] = client.decrypt(server.run(client.encrypt(images[:20]))).classes

    threads = [threading.Thread(target=one, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(classes[0], other) for other in classes)
