#!/usr/bin/env bash
# Fetches ONNX Runtime, the library that runs a transformer (--embed-folder), and prints where it is. Instant when it is there.
#
# usage: onnxruntime.sh [DIR]
#   DIR  where to put it (default: onnxruntime in the target folder)
#
# The library is part of a Python package; which Python there is does not matter, and nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-${CARGO_TARGET_DIR:-$PWD/target}/onnxruntime}
library=$folder/libonnxruntime.so
if [ ! -f "$library" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    cat >"$scratch/wanted" <<'EOF'
onnxruntime==1.32.0 \
    --hash=sha256:5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d \
    --hash=sha256:2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c
EOF
    python3 -m pip download --quiet --no-deps --only-binary=:all: --require-hashes --dest "$scratch" \
        --python-version 3.11 --implementation cp --abi cp311 --platform "manylinux_2_28_$(uname -m)" \
        --requirement "$scratch/wanted" >&2
    mkdir -p "$folder"
    python3 - "$scratch" "$library" <<'EOF'
import glob, os, sys, zipfile
scratch, library = sys.argv[1:]
with zipfile.ZipFile(glob.glob(scratch + "/*.whl")[0]) as wheel:
    [member] = [name for name in wheel.namelist() if "/capi/libonnxruntime.so" in name]
    with open(library + ".part", "wb") as out:
        out.write(wheel.read(member))
os.rename(library + ".part", library)
EOF
fi
printf '%s\n' "$library"
