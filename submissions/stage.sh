#!/bin/sh
# One stage of the benchmark; which one says the name that this file is called by. build.sh installs
# it under all of them. The harness calls stages in the repository's root with the size's number;
# all paths are below that folder, but for what was built beside this file.
set -eu

build=${0%/*}
stage=${0##*/}

# What has nothing to do: programs are compiled when the submission is built, and images are read
# and cropped where they are encrypted.
case $stage in
server_preprocess_model | client_preprocess_input) exit 0 ;;
esac

case ${1-} in
0) size=single ;;
1) size=small ;;
2) size=medium ;;
3) size=large ;;
*)
    echo "$stage: found the size '${1-}', expected 0 (single), 1 (small), 2 (medium) or 3 (large)" >&2
    exit 2
    ;;
esac

io=io/$size
program=$build/program.beaa
if [ "$size" = single ] && [ -e "$build/single.beaa" ]; then program=$build/single.beaa; fi
secret=$io/secret_key/secret.key
sent=$io/ciphertexts_upload/images.ct
answers=$io/ciphertexts_download/answers.ct
kept=$io/intermediate

case $stage in
client_key_generation)
    # A program that switches no keys has none for the server; the harness measures the folder.
    mkdir -p "$io/public_keys"
    "$build/beaa" -q keygen "$program.signature" --out "$io/secret_key" --public "$io/public_keys" >/dev/null
    ;;
client_encode_encrypt_input)
    mkdir -p "$io/ciphertexts_upload" "$kept"
    "$build/beaa" -q encrypt "$program.signature" --key "$secret" \
        --rows "datasets/$size/intermediate/test_pixels.txt" --row-format text --pixels 1 \
        -o "$sent" --receipt "$kept/receipt" >/dev/null
    ;;
server_encrypted_compute)
    mkdir -p "$io/ciphertexts_download"
    "$build/beaa" -q run "$program" --keys "$io/public_keys/evaluation.key" \
        --input "$sent" -o "$answers" --report "$io/report.json" >/dev/null
    # Those of the whole run stand last, four blanks deep.
    awk '/^    "seconds":/ { seconds = $2 + 0 }
        END { printf "{\"Encrypted computation\": %.6f, \"Total\": %.6f}\n", seconds, seconds }' \
        "$io/report.json" >"$io/server_reported_steps.json"
    ;;
client_decrypt_decode)
    # An answer beyond what the program promises counts as it is, right or wrong.
    "$build/beaa" -q decrypt "$program.signature" --key "$secret" --input "$answers" \
        --receipt "$kept/receipt" --allow-out-of-range --format labels >"$kept/classes.txt"
    ;;
client_postprocess)
    # A class a line, as the harness reads them.
    cp "$kept/classes.txt" "$io/encrypted_model_predictions.txt"
    ;;
*)
    echo "$stage: found no stage of that name; build.sh installs those that there are" >&2
    exit 2
    ;;
esac
