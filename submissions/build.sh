#!/bin/sh
# Builds a submission: submissions/build.sh submissions/mnist
#
# Compiles the command `beaa`, compiles the trained model into a program of homomorphic operations,
# and puts both with the stages into build/ of the submission. Nothing of it sees an image of the
# benchmark. BEAA_SOURCE is a checkout of beaa, by default the one that this file is in; BEAA is a
# command that is built already.
set -eu

here=$(cd "${0%/*}" && pwd)
submission=$(cd "${1:?which submission, as submissions/mnist}" && pwd)
source=$(cd "${BEAA_SOURCE:-$here/..}" && pwd)
build=$submission/build
mkdir -p "$build"

if [ -n "${BEAA-}" ]; then
    cp -f "$BEAA" "$build/beaa"
else
    cargo build --release --locked --bin beaa --manifest-path "$source/Cargo.toml"
    cp -f "${CARGO_TARGET_DIR:-$source/target}/release/beaa" "$build/beaa"
fi

. "$submission/settings"
# Training images, on which the compiler predicts errors: a folder of the submission, or a data set
# below BEAA_DATA.
samples=$SAMPLES
if [ -n "$samples" ] && [ -d "$submission/$samples" ]; then
    pair="{\"images\": \"$submission/$samples/images-idx3-ubyte.gz\",
        \"labels\": \"$submission/$samples/labels-idx1-ubyte.gz\"}"
    samples="{\"idx\": {\"train\": $pair, \"test\": $pair}, \"validation\": 0}"
fi
# compile MODEL NAME OPTIONS...: NAME.beaa, and what the compiler says of it in NAME.txt.
compile() {
    model=$1 name=$2
    shift 2
    if [ -n "$samples" ]; then set -- "$@" --samples "$samples"; fi
    "$build/beaa" -q compile "$source/$model" -o "$build/$name.beaa" "$@" >"$build/$name.txt"
}
compile "$MODEL" program $PROGRAM
if [ -n "${MODEL_SINGLE-}" ]; then compile "$MODEL_SINGLE" single $PROGRAM_SINGLE; fi

for stage in client_key_generation server_preprocess_model client_preprocess_input \
    client_encode_encrypt_input server_encrypted_compute client_decrypt_decode client_postprocess; do
    cp "$here/stage.sh" "$build/$stage"
    chmod +x "$build/$stage"
done
