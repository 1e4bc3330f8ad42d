#!/bin/sh
# On the machine with the GPU, from the root of the checkout: unpacks Node, finds cuBLASLt, runs the device tests, then the timed steps.
#   sh bench/gpu/first-run.sh [tests|steps|all] [pattern of tests | names of steps]
# Logs go to $OUT (default .gpu/out): device-tests.log, first-run.log.
out=${OUT:-.gpu/out}
mkdir -p "$out" /tmp/remora
[ -x /tmp/remora/node ] || { xz -dc .gpu/node.xz > /tmp/remora/node && chmod +x /tmp/remora/node; }
export REMORA_BUILD_DIR="$PWD/.gpu/build" REMORA_REQUIRE_CUDA=1
export REMORA_TEST_DEVICES=${REMORA_TEST_DEVICES:-cuda:0}
if [ -z "$REMORA_CUDA_LIBS" ]; then
  blas=$(find /usr /opt /root -name 'libcublasLt.so.1[23]' -not -path '/proc/*' 2>/dev/null | sort -r | head -1)
  export REMORA_CUDA_LIBS=$(dirname "$blas")
fi
echo "node $(/tmp/remora/node --version), cuBLASLt in $REMORA_CUDA_LIBS"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true
what=${1:-all}
[ $# -gt 0 ] && shift
status=0
if [ "$what" = tests ] || [ "$what" = all ]; then
  timeout "${TEST_SECONDS:-240}" /tmp/remora/node .gpu/device-tests.mjs "$@" > "$out/device-tests.log" 2>&1 || status=1
  grep -A4 '^FAILED' "$out/device-tests.log" | head -120
  tail -2 "$out/device-tests.log"
fi
if [ "$what" = steps ] || [ "$what" = all ]; then
  timeout "${STEP_SECONDS:-300}" /tmp/remora/node --max-old-space-size=8192 .gpu/first-run.mjs "$@" > "$out/first-run.log" 2>&1 || status=1
  tail -c 9000 "$out/first-run.log"
fi
exit $status
