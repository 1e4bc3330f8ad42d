#!/bin/sh
# One call on the machine with the GPU, at most six minutes: the device tests with Hopper's attention; where they fail, again without it; then the
# timed steps (without it where it failed), memory rungs, asking, profiles. Logs under $OUT; a short table comes last.
#   sh bench/gpu/call.sh
out=${OUT:-.gpu/out}
mkdir -p "$out"
if [ -z "$REMORA_CUDA_LIBS" ]; then
  blas=$(find /usr /opt /root -name 'libcublasLt.so.1[23]' -not -path '/proc/*' 2>/dev/null | sort -r | head -1)
  export REMORA_CUDA_LIBS=$(dirname "$blas")
fi
run() { # seconds, log, what, names...
  limit=$1 log=$2 what=$3
  shift 3
  mkdir -p "$out/$log"
  OUT="$out/$log" TEST_SECONDS=$limit STEP_SECONDS=$limit sh bench/gpu/first-run.sh "$what" "$@" > "$out/$log/call.log" 2>&1
}
start=$(date +%s)
run 100 tests-hopper tests
hopper=$?
if [ $hopper -ne 0 ] && grep -q 'FAILED attention\|CUDA_ERROR' "$out/tests-hopper/device-tests.log"; then
  export REMORA_CUDA_HOPPER=0
  run 60 tests-plain tests
fi
run 20 tiny steps tiny
run 60 steps steps two forty
run 40 small steps host
run 60 decode steps decode
run 30 decode-profile steps decode-profile
run 30 profile steps profile
echo "== tests: Hopper exit $hopper${REMORA_CUDA_HOPPER:+, then without it} =="
for log in "$out"/tests-*/device-tests.log; do
  echo "$log: $(grep -c '^ok' "$log") ok, $(grep -c '^FAILED' "$log") failed"
  grep -A2 '^FAILED' "$log" | head -24
done
echo "== op by op: training, then asking =="
grep -hE '^[a-zA-Z0-9]+ +[0-9.]+ ms' "$out/profile/first-run.log" | head -12
echo "--"
grep -hE '^[a-zA-Z0-9]+ +[0-9.]+ ms' "$out/decode-profile/first-run.log" | head -12
echo "== figures =="
cat "$out"/tiny/first-run.log "$out"/steps/first-run.log "$out"/small/first-run.log "$out"/decode/first-run.log "$out"/decode-profile/first-run.log \
  "$out"/profile/first-run.log 2>/dev/null | /tmp/remora/node -e '
  for (const line of require("fs").readFileSync(0, "utf8").split("\n")) {
    if (!line.startsWith("{\"name\"")) { if (/Error/.test(line) && !line.startsWith("{")) console.log("  " + line.slice(0, 200)); continue; }
    const r = JSON.parse(line);
    if (r.error) { console.log(r.name + ": " + r.error.split("\n")[0].slice(0, 300)); continue; }
    const n = (x, d = 1) => (x === undefined ? "" : x.toFixed(d));
    const step = r.bench.answerTokens ? `${n(r.stepMs, 2)} ms/step, first token ${n(r.firstTokenMs)} ms, ids ${r.ids}` : `${n(r.stepMs[1])} ms/step, first ${n(r.firstStepMs)} ms, loss ${n(r.losses[0], 4)} to ${n(r.losses.at(-1), 4)}`;
    console.log(`${r.name}: ${n(r.tokensPerSecond)} tok/s, peak ${n(r.peakGb, 2)} GB, ${step}`);
  }'
echo "== $(($(date +%s) - start)) s =="
