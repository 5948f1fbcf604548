#!/bin/sh
# What the harness calls to build a submission: scripts/build_task.sh ./submissions/mnist
# A checkout of beaa lies in beaa/ of the fork, or where BEAA_SOURCE says.
set -eu
here=$(cd "${0%/*}" && pwd)
build=$here/../submissions/build.sh
# Not moved to the root of the fork yet.
if [ ! -f "$build" ]; then build=$here/../build.sh; fi
BEAA_SOURCE=${BEAA_SOURCE:-beaa} exec "$build" "$1"
