#!/bin/sh
# Gathers what a rented x86-64 machine with a GPU needs into .gpu/, which git ignores: Node, koffi, the compiled kernels, bundles of the device
# tests and benches, bitsandbytes and PEFT. Run here; then carry .gpu/ there and run bench/gpu/all.sh (or call.sh).
#   sh bench/gpu/prepare.sh [path of a libremora.so that loads]
# Optional, from the environment:
#   WHEELS         folder with wheels of bitsandbytes and peft for the machine there (pip download); only the CUDA 13.0 library is taken along
#   UNSLOTH        not empty: Unsloth's packages too, 6.5 MB (bench/peers/unsloth-site.sh)
#   INSTRUCTIONS   JSON rows for the real run (bench/gpu/curve.ts)
#   SMOLLM2        SmolLM2-135M-Instruct.Q4_1.gguf: cut into .smol/1, .smol/2 and .gpu/smol.3, because 98 MB is too much for one transfer
set -e
cd "$(dirname "$0")/../.."
mkdir -p .gpu/build/cuda .gpu/node_modules/@koromix
if [ ! -f .gpu/node.xz ]; then
  # Without its symbols: 2.3 MB less to carry.
  cp "$(readlink -f "$(command -v node)")" .gpu/node && strip -s .gpu/node && xz -9 .gpu/node
fi
library=${1:-build/libremora.so}
[ -f "$library" ] || library=prebuilds/linux-x64/libremora.so
cp "$library" .gpu/build/libremora.so
images=build/cuda
[ -f build/cuda/images.json ] || images=prebuilds/cuda
rm -f .gpu/build/cuda/*
cp $images/*.fatbin $images/images.json .gpu/build/cuda/
cp kernels/cuda/kernels.json .gpu/build/cuda/
# The lab's variants of kernels, for `all.sh decode` and the check program's --bench; the product does not load them.
for variants in decode_variants attention_variants walk_variants; do
  "${NVCC:-nvcc}" -gencode=arch=compute_90a,code=sm_90a -fatbin -O3 -std=c++17 kernels/lab/$variants.cu -o .gpu/build/cuda/$variants.fatbin || echo "prepare: no variants without nvcc"
done
[ -f build/check/cuda-check ] && cp build/check/cuda-check .gpu/cuda-check
rm -rf .gpu/node_modules/koffi .gpu/node_modules/@koromix/koffi-linux-x64
cp -r node_modules/koffi .gpu/node_modules/koffi
cp -r node_modules/@koromix/koffi-linux-x64 .gpu/node_modules/@koromix/
node scripts/device-test-bundle.mjs
for entry in first-run:first-run run:bench-gpu parity:parity curve:curve load-bench:load-bench fp8-curves:fp8-curves fp8-products:fp8-products diagnose:diagnose; do
  node scripts/device-test-bundle.mjs --entry "bench/gpu/${entry%:*}.ts" --out ".gpu/${entry#*:}.mjs"
done
if [ -n "$WHEELS" ]; then
  rm -rf .gpu/site && mkdir -p .gpu/site
  for wheel in "$WHEELS"/*.whl; do
    unzip -q -o "$wheel" -d .gpu/site -x '*libbitsandbytes_rocm*' '*libbitsandbytes_xpu*' '*libbitsandbytes_cuda1[12]*' '*libbitsandbytes_cuda13[1-9]*' 2>/dev/null || true
  done
fi
if [ -n "$UNSLOTH" ]; then sh bench/peers/unsloth-site.sh .gpu/unsloth.tar.xz; fi
if [ -n "$INSTRUCTIONS" ]; then cp -f "$INSTRUCTIONS" .gpu/instructions.json; fi
if [ -n "$SMOLLM2" ]; then
  mkdir -p .smol/1 .smol/2
  half=47000000
  head -c $half "$SMOLLM2" > .smol/1/part
  tail -c +$((half + 1)) "$SMOLLM2" | head -c $half > .smol/2/part
  tail -c +$((2 * half + 1)) "$SMOLLM2" > .gpu/smol.3
fi
git rev-parse HEAD > .gpu/commit
du -sh --apparent-size .gpu .smol 2>/dev/null || true
