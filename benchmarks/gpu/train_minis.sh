#!/usr/bin/env bash
# Train f5-mini, then fish-mini, further from their shipped weights, for some minutes on one GPU.
#   benchmarks/gpu/train_minis.sh MINUTES [--device cpu]
# Needs `make gpu-kit FOR=train`. The teacher speaks on the CPU cores meanwhile. Leaves $OUT/minis.tar.00 and so on, each
# of at most 15 MiB (cat minis.tar.* | tar x); see recipes/README.md.
set -euo pipefail
device=cuda minutes=
while [ $# -gt 0 ]; do
  case $1 in
    --device) device=$2 && shift ;;
    *) minutes=$1 ;;
  esac
  shift
done
: "${minutes:?usage: train_minis.sh MINUTES [--device cpu]}"
cd "$(dirname "$0")/../.."
export OUT=${OUT:-$PWD/gpu-results} PYTHONUNBUFFERED=1 OMP_NUM_THREADS=2
mkdir -p "$OUT"
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
result=$work/result
mkdir "$result"

total=$(awk "BEGIN { print int($minutes * 60) }")
if [ "$device" = cpu ]; then # a rehearsal: every stage, no learning to speak of
  closing=$((total / 4)) judging=$((total / 10)) processes=1
  speech=(--limit 8 --shard 4) f5=(--frames 700 --longest 700) fish=(--columns 500) shards=1 every=1000000
else
  closing=20 judging=6 processes=$(($(nproc) - 2))
  speech=(--shard 100) f5=(--frames 32768 --longest 2000) fish=(--columns 24576) shards=$processes every=50
fi

# stage UNTIL COMMAND…: run a command that is stopped that many seconds after the start of this script, and go on.
stage() {
  local left=$(($1 - SECONDS))
  if ((left <= 0)); then
    echo "no time left for: ${*:2}"
  else
    timeout --kill-after 2 "$left" "${@:2}" || echo "status $? of: ${*:2}"
  fi
}
# minutes_to UNTIL: what a command that ends by itself may take.
minutes_to() { awk "BEGIN { print ($1 - $SECONDS) / 60 }"; }

# Wheels are unpacked as they are: pip would take longer.
python3 - "$work" <<'END'
import sys, zipfile
from pathlib import Path
work = Path(sys.argv[1])
for wheel in Path(".gpu").glob("*.whl"):
    zipfile.ZipFile(wheel).extractall(work / "site")
for recipe in ("f5", "fish"):
    zipfile.ZipFile(".gpu/train.zip").extract("sentences.txt", work / recipe)
zipfile.ZipFile(".gpu/train.zip").extract("backends/fish/assets/cmudict/cmudict.dict.gz")
END
export PYTHONPATH=$work/site:$PWD
python3 -m recipes.kit unpack .gpu/train.zip "$work/start" &
unpacking=$!

f5_end=$(((SECONDS + total - closing) / 2)) fish_end=$((total - closing))
f5_spoken=$((SECONDS + (f5_end - SECONDS) * 3 / 4)) fish_spoken=$((f5_end + (fish_end - f5_end) / 2))
{
  stage "$f5_end" python3 -m recipes.f5_mini.produce --work "$work/f5" "${speech[@]}" --processes "$processes" \
    --minutes "$(minutes_to $f5_spoken)"
  stage "$fish_end" python3 -m recipes.fish_mini.produce --work "$work/fish" --model "$work/start" "${speech[@]}" \
    --processes "$processes" --minutes "$(minutes_to $fish_spoken)"
} >"$result/teacher.log" 2>&1 &

# train UNTIL MODULE WORK OPTION…
train() {
  stage "$1" python3 -m "$2" --work "$work/$3" --from "$work/start" --begin 0.4 --device "$device" --every "$every" \
    --shards "$shards" --minutes "$(minutes_to $(($1 - judging)))" "${@:4}"
}
wait "$unpacking"
train "$f5_end" recipes.f5_mini.train f5 "${f5[@]}"
stage "$fish_end" python3 -m recipes.f5_mini.export --work "$work/f5" --out "$result/f5-mini" &
exporting=$!
train "$fish_end" recipes.fish_mini.train_lm fish "${fish[@]}"
stage $((total - 4)) python3 -m recipes.fish_mini.export --work "$work/fish" --out "$result/fish-mini"
wait "$exporting"

echo "held-out figures before and after:"
for log in f5/flow/flow.jsonl fish/lm/lm.jsonl; do
  cp "$work/$log" "$result" && grep held_out "$work/$log" | sed -n '1p;$p' || echo "$log: none"
done
tail -n 3 "$result/teacher.log"
tar -C "$result" -cf - . | split --bytes 15M --numeric-suffixes - "$OUT/minis.tar."
ls -l "$OUT"
echo "$SECONDS s of $total"
# What there is comes back in any case; a model that is missing is a failure.
ls "$result"/f5-mini/f5-mini.safetensors "$result"/fish-mini/text2semantic-fish-mini.pth
