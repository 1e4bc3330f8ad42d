#!/bin/sh
# Gathers what a rented x86-64 machine with a GPU needs into .gpu/, which git ignores: Node, koffi, the compiled kernels, bundles of the device
# tests and of the first run. Run here; then carry .gpu/ there and run bench/gpu/first-run.sh.
#   sh bench/gpu/prepare.sh [path of a libremora.so that loads]
set -e
cd "$(dirname "$0")/../.."
mkdir -p .gpu/build/cuda .gpu/node_modules/@koromix
[ -f .gpu/node.xz ] || xz -9 -k -c "$(readlink -f "$(command -v node)")" > .gpu/node.xz
cp "${1:-build/libremora.so}" .gpu/build/libremora.so
rm -f .gpu/build/cuda/*
cp build/cuda/*.fatbin build/cuda/images.json .gpu/build/cuda/
cp kernels/cuda/kernels.json .gpu/build/cuda/
rm -rf .gpu/node_modules/koffi .gpu/node_modules/@koromix/koffi-linux-x64
cp -r node_modules/koffi .gpu/node_modules/koffi
cp -r node_modules/@koromix/koffi-linux-x64 .gpu/node_modules/@koromix/
node scripts/device-test-bundle.mjs
node scripts/device-test-bundle.mjs --entry bench/gpu/first-run.ts --out .gpu/first-run.mjs
du -sh .gpu
