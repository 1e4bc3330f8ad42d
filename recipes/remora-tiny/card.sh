#!/bin/sh
# The recipe on a machine with a GPU and neither Node nor a network, in three calls that keep the machine. Carried along: .gpu/tiny-1 to the first,
# .gpu/tiny-2 to the second; pack.sh makes them. The third needs nothing but what the second left.
#   sh .gpu/tiny-1/card.sh first          unpacks, prepares the small sources, trains for half a minute: every part is tried, saving too
#   sh .gpu/tiny-2/card.sh second         prepares the books, then the trials of mixes: trials.json and tables
#   sh /tmp/tiny-work/card.sh third MIX   the run, with one of mixes.yaml (D is pretrain.yaml as it stands)
# Both folders' data are texts; cleaning and tokenizing them there takes less than carrying tokens. Works in $TINY_WORK (default /tmp/tiny-work);
# results and logs under $OUT: model parts of 15 MB, metrics.jsonl, config.json, trials.json, prepare.log and others. REMORA_DEVICE, MINUTES, EVERYDAY,
# TRIAL_FLAGS and PRETRAIN_FLAGS are for trying it on a CPU; LIMIT_SECONDS is the whole call. TRIAL_SHARE is trial steps over the run's.
set -u
case "${1:-}" in first | second | third) ;; *) echo "usage: sh card.sh first | second | third MIX" >&2; exit 2 ;; esac
began=$(date +%s)
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-.gpu/out}
case $out in /*) ;; *) out=$PWD/$out ;; esac
work=${TINY_WORK:-/tmp/tiny-work}
device=${REMORA_DEVICE:-cuda}
mkdir -p "$out" "$work/data" "$work/text" "$work/tokens/held-out" "$work/tokens/trial"
[ "$1" = third ] || cp -r "$here/data/." "$work/data/"
for file in "$work"/data/qa/*.xz; do [ -f "$file" ] && xz -df "$file"; done
[ -x "$work/node" ] || { xz -dc "$here/node.xz" > "$work/node" && chmod +x "$work/node"; }
[ -d "$work/app" ] || xz -dc "$here/app.tar.xz" | tar -x -C "$work" || exit 1
cd "$work" || exit 1
if [ -z "${REMORA_CUDA_LIBS:-}" ]; then
  blas=$(find /usr /opt /root -name 'libcublasLt.so.1[23]' -not -path '/proc/*' 2>/dev/null | sort -r | head -1)
  [ -n "$blas" ] && export REMORA_CUDA_LIBS=$(dirname "$blas")
fi
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null
echo "node $("$work/node" --version), cuBLASLt in ${REMORA_CUDA_LIBS:-nowhere}"
remora() { "$work/node" --max-old-space-size=6000 "$work/app/dist/cli/main.js" "$@"; }
say() { echo "[$(($(date +%s) - began)) s] $*"; }

# Cleans one source and makes its token files: training, its part for trials, held-out. Pairs have forms: both directions, and the instruct prompt into Japanese only,
# so that the other direction is left for tuning.
one_source() {
  name=$1
  "$work/node" --max-old-space-size=6000 app/prepare.mjs data text "$name" --demo data/demo-held-out.jsonl --trial "${TRIAL_SHARE:-0.115}" ${EVERYDAY:+--everyday $EVERYDAY} || return 1
  instruct='### Instruction:\n次の文を日本語に翻訳してください。\n\n### Input:\n{en}\n\n### Response:\n{ja}'
  case $name in
    learner-pairs | everyday-*)
      passes=7 && [ "$name" != learner-pairs ] && passes=2
      set -- --passes $passes --header ja,en --forms '日本語: {ja}\n英語: {en}' 'Japanese: {ja}\nEnglish: {en}' '{ja}\n{en}' '「{ja}」を英語で言うと: {en}' \
        '英語: {en}\n日本語: {ja}' '{en}\n{ja}' "$instruct" ;;
    manual-pairs) set -- --header ja,en --forms '日本語: {ja}\n英語: {en}' '{ja}\n{en}' 'English: {en}\nJapanese: {ja}' '{en}\n{ja}' ;;
    *) set -- ;;
  esac
  kind=txt
  [ -f "text/$name.tsv" ] && kind=tsv
  remora data tokenize --model model --data "text/$name.$kind" "$@" --out "tokens/$name.tokens" --force --json || return 1
  remora data tokenize --model model --data "text/trial/$name.$kind" "$@" --out "tokens/trial/$name.tokens" --force --json || return 1
  if [ $kind = tsv ]; then set -- --header ja,en --forms '日本語: {ja}\n英語: {en}'; fi
  remora data tokenize --model model --data "text/held-out/$name.$kind" "$@" --out "tokens/held-out/$name.tokens" --force --json || return 1
}
sources() {
  for name in "$@"; do one_source "$name" > "text/$name.log" 2>&1 & done
  wait
  for name in "$@"; do
    cat "text/$name.log" >> "$out/prepare.log"
    [ -f "tokens/held-out/$name.tokens" ] || { echo "$name FAILED"; tail -5 "text/$name.log"; exit 1; }
    grep -h '"tokens"' "text/$name.log" | head -1 | cut -c1-200
  done
}

if [ "$1" = first ]; then
  sources ja-wiki learner-pairs manual-pairs everyday-1 everyday-2 everyday-3 everyday-4 en-books-3
  say "small sources ready"
  smoke="--model model --data wiki=tokens/ja-wiki.tokens everyday=tokens/everyday-1.tokens learners=tokens/learner-pairs.tokens --final-share 0.3
    --final-mix everyday=0.6 learners=0.4 --held-out learners=tokens/held-out/learner-pairs.tokens everyday=tokens/held-out/everyday-1.tokens
    --block-length 1024 --batch-size ${BATCH:-64} --learning-rate 2e-3 --device $device --log-every ${LOG_EVERY:-50} --out smoke --force"
  remora pretrain $smoke --max-minutes "${MINUTES:-0.5}" > "$out/smoke.log" 2>&1 || { tail -20 "$out/smoke.log"; exit 1; }
  grep -vE '^step [0-9]*[1-9]0/' "$out/smoke.log" | tail -25
  say "smoke run done"
  ls -la smoke/model smoke/checkpoints/*
  remora generate --model smoke/model --device "$device" --prompt '日本語: 私は昨日、駅で友達に会った。
英語:' --max-tokens 30 --greedy 2>&1 | tail -3
  say "first call done"
elif [ "$1" = second ]; then
  sources ja-books-1 ja-books-2 ja-books-3 en-books-1 en-books-2 ja-manual en-wiki en-factbook
  say "books ready"
  cp "$here/card.sh" "$here/trials.mjs" "$here"/*.yaml "$work/"
  "$work/node" "$here/trials.mjs" --app app --device "$device" --out "$out/trials.json" ${TRIAL_FLAGS:-} > "$out/trials.log" 2>&1
  code=$?
  tail -60 "$out/trials.log"
  say "trials ended with exit $code"
  exit $code
elif [ "$1" = third ]; then
  mix=${2:-D}
  "$work/node" "$here/trials.mjs" --write "$mix" --to "pretrain-$mix.json" || exit 1
  spent=$(($(date +%s) - began))
  minutes=$(awk -v spent="$spent" -v limit="${LIMIT_SECONDS:-590}" -v most="${MINUTES:-8}" 'BEGIN { left = (limit - 30 - spent) / 60; print (left < most ? left : most) }')
  remora pretrain --config "pretrain-$mix.json" --device "$device" --max-minutes "$minutes" --out run --force ${PRETRAIN_FLAGS:-} > "$out/pretrain.log" 2>&1
  code=$?
  say "pretraining ended with exit $code"
  cp run/metrics.jsonl run/config.json "$out/" 2>/dev/null
  if [ -f run/model/model.safetensors ]; then
    split -b 15000000 run/model/model.safetensors "$out/model.safetensors.part-"
    sha256sum run/model/model.safetensors
  fi
  grep -vE '^step ' "$out/pretrain.log" | tail -40
  grep -E '^step ' "$out/pretrain.log" | tail -2
  remora generate --model run/model --device "$device" --prompt '日本語: 私は昨日、駅で友達に会った。
英語:' --max-tokens 30 --greedy 2>&1 | tail -3
  say "third call done"
  exit $code
else
  echo "usage: card.sh first|second|third MIX" && exit 2
fi
