#!/usr/bin/env python3
"""Calls the stages of a submission as the benchmark's harness does, and measures what it measures.

python3 submissions/measure.py SUBMISSION DATA [SIZE ...]

SUBMISSION is mnist or cifar10 (after submissions/build.sh), DATA the folder of the four files of MNIST or of the binary
version of CIFAR-10, SIZE is single, small, medium or large (all, if none is given). Without the harness: samples are not
those that it draws, and its own stages are not there. Prints one table.
"""

import gzip
import lzma
import pathlib
import random
import shutil
import subprocess
import sys
import time

SIZES = [("single", 1), ("small", 100), ("medium", 1000), ("large", 10000)]
RUNS = 3
ONCE = ["client_key_generation"]
EACH_RUN = ["client_encode_encrypt_input", "server_encrypted_compute", "client_decrypt_decode", "client_postprocess"]


def mnist(folder):
    def read(name, header):
        with gzip.open(folder / f"{name}.gz") as file:
            return file.read()[header:]

    return 784, read("t10k-images-idx3-ubyte", 16), read("t10k-labels-idx1-ubyte", 8)


def cifar10(folder):
    packed = folder / "test_batch.bin.xz"
    records = lzma.open(packed).read() if packed.exists() else (folder / "test_batch.bin").read_bytes()
    return 3072, b"".join(records[at + 1 : at + 3073] for at in range(0, len(records), 3073)), records[::3073]


def stage(build, name, size, work):
    """Wall time of one call, process start and files included."""
    start = time.perf_counter()
    subprocess.run([build / name, str(size)], cwd=work, check=True)
    return time.perf_counter() - start


def bytes_of(folder):
    return int(subprocess.run(["du", "-sb", folder], capture_output=True, text=True, check=True).stdout.split()[0])


def main():
    submission, folder, *sizes = sys.argv[1:]
    build = pathlib.Path(__file__).resolve().parent / submission / "build"
    work = build / "work"
    length, pixels, labels = {"mnist": mnist, "cifar10": cifar10}[submission](pathlib.Path(folder))
    text = [f"{pixel / 255:.6f}" for pixel in range(256)]
    line = lambda image: " ".join(text[p] for p in pixels[image * length : (image + 1) * length]) + "\n"
    columns = ["images", "keys made", "encryption", "computation", "decryption", "keys", "input", "result", "right"]
    print("| " + " | ".join(columns) + " |\n" + "| " + " | ".join(["---"] * len(columns)) + " |")
    for number, (name, count) in enumerate(SIZES):
        if sizes and name not in sizes:
            continue
        chosen = range(count) if count == 10000 else random.Random(1).sample(range(10000), count)
        io, data = work / "io" / name, work / "datasets" / name / "intermediate"
        shutil.rmtree(io, ignore_errors=True)
        for folder in (io, data):
            folder.mkdir(parents=True, exist_ok=True)
        (data / "test_pixels.txt").write_text("".join(map(line, chosen)))
        seconds = [[stage(build, name, number, work)] for name in ONCE]
        runs = [[stage(build, name, number, work) for name in EACH_RUN] for _ in range(RUNS)]
        encryption, computation, decode, postprocess = zip(*runs)
        answers = (io / "encrypted_model_predictions.txt").read_text().split()
        right = sum(int(answer) == labels[image] for answer, image in zip(answers, chosen, strict=True))
        times = seconds + [encryption, computation, [a + b for a, b in zip(decode, postprocess)]]
        cells = [f"{count}"] + [" ".join(f"{s:.3f}" for s in part) for part in times]
        folders = ["public_keys", "ciphertexts_upload", "ciphertexts_download"]
        cells += [f"{bytes_of(io / folder)}" for folder in folders] + [f"{right / count:.4f}"]
        print("| " + " | ".join(cells) + " |", flush=True)


main()
