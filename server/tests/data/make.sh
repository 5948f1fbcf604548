#!/usr/bin/env bash
# The certificates of the tests: an authority, and of it a certificate for 127.0.0.1 that is good for a hundred years,
# and one that has ended. The keys protect nothing.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
cat >"$work/config" <<'END'
[ca]
default_ca = tests
[tests]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE
[server]
basicConstraints = CA:FALSE
subjectAltName = IP:127.0.0.1,DNS:localhost
END
new_key "$work/authority.key"
new_key server.key
openssl req -new -config /dev/null -key "$work/authority.key" -subj "/CN=beaa tests" -out "$work/authority.csr"
openssl req -new -config /dev/null -key server.key -subj "/CN=127.0.0.1" -out "$work/server.csr"
here=$PWD
cd "$work"
touch index index.attr
echo 01 >serial
sign() { openssl ca -batch -notext -config config -keyfile authority.key -startdate 20200101000000Z "$@" 2>/dev/null; }
sign -selfsign -enddate 21200101000000Z -extensions authority -in authority.csr -out "$here/authority.pem"
sign -cert "$here/authority.pem" -enddate 21200101000000Z -extensions server -in server.csr -out "$here/server.pem"
echo 'unique_subject = no' >index.attr
sign -cert "$here/authority.pem" -enddate 20200201000000Z -extensions server -in server.csr -out "$here/ended.pem"
