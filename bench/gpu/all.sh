#!/bin/sh
# Everything that issue 3 wants from a card, in one command of under nine minutes, on the machine with the GPU, from the root of the checkout:
#   sh bench/gpu/all.sh [tests] [check] [decode] [rows] [walk] [diagnose] [profile] [parity] [curve] [bench] [sanitize] [load] [unsloth] [fp8]    default: tests parity curve bench load
#   tests   device tests with REMORA_REQUIRE_CUDA=1, a record with the commit
#   check   kernels/lab/check: the kernels of asking against the reference, then timed, variants included
#   decode  the kernels of one-row answers: checked, timed with the lab's variants, one of them under Nsight Compute; one-row answers as they come, with
#           attention in one launch, without early starts, and without the products of one to four rows
#   rows    the products of 5 to 64 rows from NF4: checked, timed; answers of 8, 32 and 128 rows with and without them
#   walk    all layers of one row in one launch: checked, timed whole and without its parts; one-row answers with it and without
#   diagnose  how cuBLASLt rounds a product that adds to 16 bits
#   profile  one step of Nemo's shape and one-row answers op by op
#   sanitize  compute-sanitizer's memcheck, racecheck and initcheck over the kernel checks, family by family: about ten minutes, so by itself; sanitize.sh alone takes families
#   parity  two layers of Nemo's shape against Transformers + PEFT run by Python on this card; graph equals eager; two equal runs
#   curve   a QLoRA run on instructions on card and CPU (SmolLM2 when its parts came along, else the shipped model); resume equal to the bit
#   bench   ours and the peers
#   unsloth  Unsloth, which bench/peers/unsloth-site.sh packed into GPU_FOLDER/unsloth.tar.xz: a tiny try, then steps beside ours and PEFT's
#   fp8     compute: fp8 alone: its device tests, kernels and products (with f32 and with fast accumulation), steps of Nemo's shape beside
#           bf16, op by op, loss curves of three seeds; by itself it fits one call: sh bench/gpu/all.sh fp8
#   load    a Nemo-shaped folder on this disk: start to first step
# GPU_FOLDER (default .gpu) is what bench/gpu/prepare.sh made; BENCH_MATCH picks settings of the bench. Results and logs under $OUT (default
# .gpu/out); a short table comes last. A part is left out when less than 25 s are left.
gpu=${GPU_FOLDER:-.gpu}
out=${OUT:-$gpu/out}
mkdir -p "$out" /tmp/remora
start=$(date +%s)
total=${TOTAL_SECONDS:-530}
[ -x /tmp/remora/node ] || { xz -dc $gpu/node.xz > /tmp/remora/node && chmod +x /tmp/remora/node; }
node=/tmp/remora/node
export REMORA_BUILD_DIR="$PWD/$gpu/build" REMORA_ROOT="$PWD" PYTHONUNBUFFERED=1
export REMORA_COMMIT=${REMORA_COMMIT:-$(cat $gpu/commit 2>/dev/null)}
[ -d $gpu/site ] && export PYTHONPATH="$PWD/$gpu/site${PYTHONPATH:+:$PYTHONPATH}"
export PYTHON=${PYTHON:-python3} PATH="$PATH:/usr/local/cuda/bin"
if [ -z "$REMORA_CUDA_LIBS" ]; then
  blas=$(find /usr /opt /root -name 'libcublasLt.so.1[23]' -not -path '/proc/*' 2>/dev/null | sort -r | head -1)
  export REMORA_CUDA_LIBS=$(dirname "$blas")
fi
parts=${*:-tests parity curve bench load}
left() { echo $((total - $(date +%s) + start)); }
part() { # name, seconds it may take, command…
  name=$1 limit=$2
  shift 2
  case " $parts " in *" $name "*) ;; *) return 0 ;; esac
  rest=$(left)
  if [ "$rest" -lt 25 ]; then echo "$name: left out, $rest s left" | tee -a "$out/parts.log"; return 0; fi
  [ "$limit" -gt "$rest" ] && limit=$rest
  began=$(date +%s)
  PART_SECONDS=$((limit - 5)) timeout "$limit" sh -c "$*" > "$out/$name.log" 2>&1
  code=$?
  [ "$name" = tests ] && tests_exit=$code
  echo "$name: exit $code, $(($(date +%s) - began)) s" | tee -a "$out/parts.log"
}
if [ -f /tmp/smol.1 ] && [ -f /tmp/smol.2 ] && [ -f $gpu/smol.3 ]; then cat /tmp/smol.1 /tmp/smol.2 $gpu/smol.3 > /tmp/smollm2.gguf; fi
model=remora-tiny
[ -f /tmp/smollm2.gguf ] && model=/tmp/smollm2.gguf
data=$gpu/instructions.json

part tests 110 "REMORA_REQUIRE_CUDA=1 REMORA_TEST_DEVICES=cuda:0 $node $gpu/device-tests.mjs"
part check 100 "for f in 'linear decode' 'paged attention' sampling; do $gpu/cuda-check --images $gpu/build/cuda --bench --family \"\$f\"; done"
part decode 230 "for f in 'linear vector' 'attention step' 'paged attention'; do $gpu/cuda-check --images $gpu/build/cuda --bench --family \"\$f\"; done; for with in VECTOR=1 ATTENTION_STEP=1 PDL=0 VECTOR=0; do echo == REMORA_CUDA_\$with; env REMORA_CUDA_\$with $node $gpu/bench-gpu.mjs --only ours --match 'answer.1.row' --seconds 40 --total 40 --out $out/decode-\$with.json; done; timeout 45 ncu --clock-control none -k regex:linear_vector_nf4_rows1_bf16 -c 6 --section SpeedOfLight --section MemoryWorkloadAnalysis --section SchedulerStats --section WarpStateStats $gpu/cuda-check --images $gpu/build/cuda --bench --no-check --family 'linear vector' > $out/decode-ncu.log 2>&1"
part rows 260 "$gpu/cuda-check --images $gpu/build/cuda --bench --family 'linear rows'; for with in 1 0; do echo == REMORA_CUDA_ROWS=\$with; env REMORA_CUDA_ROWS=\$with $node $gpu/bench-gpu.mjs --only ours --match 'answer.(8|32|128).rows' --seconds 40 --total 90 --out $out/rows-\$with.json; done"
part walk 120 "$gpu/cuda-check --images $gpu/build/cuda --bench --family walk; for with in WALK=0 WALK=1; do echo == REMORA_CUDA_\$with; env REMORA_CUDA_\$with $node $gpu/bench-gpu.mjs --only ours --match 'answer.1.row' --seconds 40 --total 40 --out $out/walk-\$with.json; done"
part diagnose 50 "$node $gpu/diagnose.mjs"
part profile 60 "REMORA_BENCH_PLANS=1 $node $gpu/first-run.mjs cheap-profile; REMORA_CUDA_VECTOR=1 $node $gpu/first-run.mjs decode-profile"
part parity 150 "$PYTHON bench/gpu/parity.py /tmp/remora/parity && $node $gpu/parity.mjs /tmp/remora/parity --out $out/parity.json; rm -rf /tmp/remora/parity"
part curve 110 "$node $gpu/curve.mjs --model $model --data $data --out $out/curve.json"
part bench 560 "$node $gpu/bench-gpu.mjs --match '${BENCH_MATCH:-}' --seconds 60 --total \$PART_SECONDS --out $out/gpu.json"
part unsloth 400 "mkdir -p /tmp/remora/unsloth && tar xf $gpu/unsloth.tar.xz -C /tmp/remora/unsloth && export PYTHONPATH=\"\${PYTHONPATH:+\$PYTHONPATH:}/tmp/remora/unsloth\" && timeout 120 $PYTHON bench/peers/unsloth-gpu.py --tiny --steps 2; $node $gpu/bench-gpu.mjs --match 'train.*(Unsloth|NF4, cheap|NF4, layers again|bitsandbytes NF4, check)' --seconds 60 --total \$((PART_SECONDS - 60)) --out $out/gpu-unsloth.json"
part sanitize 560 "sh bench/gpu/sanitize.sh $out/gpu-sanitizer.json"
part load 150 "$node $gpu/load-bench.mjs --folder /tmp/remora/nemo --write-seconds 50 --out $out/load.json"

# Each line has a limit of its own, so that the curves come even where an earlier one hangs; a failed line does not stop the next.
part fp8 520 "
  REMORA_REQUIRE_CUDA=1 REMORA_TEST_DEVICES=cuda:0 timeout 40 $node $gpu/device-tests.mjs E4M3
  timeout 30 $gpu/cuda-check --images $gpu/build/cuda --bench --family fp8
  timeout 25 $node $gpu/fp8-products.mjs
  REMORA_CUDA_FP8_FAST=0 timeout 25 $node $gpu/fp8-products.mjs
  timeout 140 $node $gpu/bench-gpu.mjs --match 'peaks|NF4, cheap|NF4 kept|fp8' --only ours --seconds 45 --total 135 --out $out/gpu-fp8.json
  REMORA_BENCH_PLANS=1 timeout 45 $node $gpu/first-run.mjs fp8
  timeout 200 $node $gpu/fp8-curves.mjs --model $model --data $data --out $out/fp8-curves.json"

card=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | head -1)
if [ -n "$tests_exit" ]; then
  passed=$(grep -c '^ok' "$out/tests.log") failed=$(grep -c '^FAILED' "$out/tests.log")
  printf '{"commit":"%s","card":"%s","command":"REMORA_REQUIRE_CUDA=1, device tests on cuda:0","exit":%s,"passed":%s,"failed":%s,"when":"%s"}\n' \
    "$REMORA_COMMIT" "$card" "$tests_exit" "$passed" "$failed" "$(date -u +%FT%TZ)" > "$out/require-cuda.json"
fi
echo "== $card, commit $REMORA_COMMIT =="
cat "$out/parts.log"
[ -f "$out/tests.log" ] && { grep -A2 '^FAILED' "$out/tests.log" | cut -c1-200 | head -20; tail -1 "$out/tests.log"; }
for name in parity curve; do [ -f "$out/$name.log" ] && { echo "== $name =="; grep -E '^(ok|FAILED|f32|bf16|nf4)|Error' "$out/$name.log" | cut -c1-260 | head -24; }; done
[ -f "$out/bench.log" ] && { echo "== bench =="; if [ -f "$out/gpu.json" ]; then grep -vE '^\s*$' "$out/bench.log" | awk '!seen[$0]++' | tail -17 | cut -c1-330; else tail -17 "$out/bench.log" | cut -c1-330; fi; }
[ -f "$out/check.log" ] && { echo "== check =="; grep -E "FAIL|cases" "$out/check.log"; grep -E "^time " "$out/check.log" | cut -c6-120; }
[ -f "$out/decode.log" ] && { echo "== decode =="; grep -E "FAIL|cases" "$out/decode.log"; grep -E "^time " "$out/decode.log" | cut -c6-110; grep -vE "^(ok|time) " "$out/decode.log" | tail -24 | cut -c1-220; }
[ -f "$out/rows.log" ] && { echo "== rows =="; grep -E "FAIL|cases" "$out/rows.log"; grep -E "^time " "$out/rows.log" | cut -c6-110; grep -vE "^(ok|time) " "$out/rows.log" | tail -16 | cut -c1-220; }
[ -f "$out/diagnose.log" ] && { echo "== diagnose =="; cut -c1-200 "$out/diagnose.log"; }
[ -f "$out/profile.log" ] && { echo "== profile =="; cut -c1-150 "$out/profile.log" | head -90; }
[ -f "$out/sanitize.log" ] && { echo "== sanitize =="; cut -c1-200 "$out/sanitize.log"; }
[ -f "$out/fp8.log" ] && { echo "== fp8 =="; grep -E '^(ok|FAILED|time |seed|train|qkv|o |gate|down|NVIDIA)|Error|error|e4m3|[0-9] ms' "$out/fp8.log" | cut -c1-220 | head -90; }
[ -f "$out/load.log" ] && { echo "== load =="; tail -3 "$out/load.log" | cut -c1-700; }
echo "== $(($(date +%s) - start)) s =="
