#!/bin/sh
# On the machine with the GPU, from the root of the checkout. State stays in /tmp/remora-qa between calls.
#   sh bench/eval/card.sh unpack                      takes what of .gpu/qa-* is here
#   sh bench/eval/card.sh run NAME [device] [questions]     tunes NAME.gguf and compares; $OUT gets report.json, metrics.jsonl and the logs
set -e
work=${REMORA_QA_DIR:-/tmp/remora-qa}
mkdir -p "$work/models" "$work/parts"
if [ "$1" = unpack ]; then
  if [ -d .gpu/qa-app ]; then
    xz -dc .gpu/qa-app/node.xz > "$work/node" && chmod +x "$work/node"
    for archive in app prepared build; do
      [ -f .gpu/qa-app/$archive.tar.xz ] && tar -xJf .gpu/qa-app/$archive.tar.xz -C "$work"
    done
  fi
  if [ -d .gpu/qa-lancedb ]; then xz -dc .gpu/qa-lancedb/lancedb.xz > "$work/node_modules/@lancedb/lancedb-linux-x64-gnu/lancedb.linux-x64-gnu.node"; fi
  for part in .gpu/qa-*.[0-9]/part; do
    [ -f "$part" ] || continue
    name=$(basename "$(dirname "$part")")
    cp "$part" "$work/parts/${name#qa-}"
  done
  ls -la "$work" "$work/parts"
  exit 0
fi
name=$2
device=${3:-cuda}
model=$work/models/$name.gguf
[ -f "$model" ] || cat "$work/parts/$name".? > "$model"
out=${OUT:-$work/out}
mkdir -p "$out"
if [ -d "$work/build" ]; then export REMORA_BUILD_DIR="$work/build"; fi
if [ "$device" != cpu ] && [ -z "$REMORA_CUDA_LIBS" ]; then
  blas=$(find /usr /opt /root -name 'libcublasLt.so.1[23]' -not -path '/proc/*' 2>/dev/null | sort -r | head -1)
  export REMORA_CUDA_LIBS=$(dirname "$blas")
fi
remora() { "$work/node" "$work/dist/cli/main.js" "$@" --device "$device" --offline; }
cd "$work"
run=$work/run-$name
compared=$work/eval-$name
started=$(date +%s)
if [ ! -d "$run/adapter" ]; then
  resume=
  [ -d "$run/checkpoints" ] && resume=--resume
  remora train --model "$model" --data train.jsonl --template instruct-context --epochs 2 --block-length 1024 --long-rows drop --out "$run" $resume \
    > "$out/train-$name.log" 2>&1
fi
cp "$run/metrics.jsonl" "$out/metrics-$name.jsonl"
echo "trained after $(($(date +%s) - started)) s"
remora eval questions.jsonl --model "$model" --adapter "$run/adapter" --index index --limit 3 --max-tokens 48 --context-length 2048 \
  --title "$name on SQuAD 2.0 and JaQuAD" ${4:+--max-questions $4} --out "$compared" > "$out/eval-$name.log" 2>&1
cp "$compared/report.json" "$out/report-$name.json"
cp "$compared/answers.jsonl" "$out/answers-$name.jsonl"
cat "$out/eval-$name.log"
echo "done after $(($(date +%s) - started)) s"
