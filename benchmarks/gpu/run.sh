#!/usr/bin/env bash
# Test and measure Voxgate on a GPU machine without a network, in eight minutes: see README.md beside this file.
#   benchmarks/gpu/run.sh [--stage NAME]... [--device cpu --quick]
set -euo pipefail
cd "$(dirname "$0")/../.."
export OUT=${OUT:-$PWD/gpu-results} PYTHONUNBUFFERED=1
export GOMP_SPINCOUNT=3000 # as the gateway starts workers
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 # every file is named; a mistake in that fails at once
mkdir -p "$OUT"
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile --no-cache-dir \
  --target "$site" .gpu/*.whl
export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
python3 benchmarks/gpu/stages.py --out "$OUT" --limit-s $((480 - SECONDS)) "$@" 2>&1 | tee "$OUT/run.log"
