#!/bin/bash
# Builds the check of the CUDA kernels against kernels/reference.
#   kernels/lab/check/build.sh            build/check/cuda-check: runs on a GPU, with the images of scripts/build-cuda.mjs
#   kernels/lab/check/build.sh emulator   build/check/emulated-check and emulated.so: runs anywhere, with the kernels compiled for the emulator
#   then  build/check/cuda-check --images build/cuda [--bench] [--family name] [--only part-of-a-name]
#   or    build/check/emulated-check --images build/check/emulated.so [--only part-of-a-name]
# The CUDA driver is opened at run time; only its header is needed to build (CUDA_HOME, /usr/local/cuda*).
set -e
cd "$(dirname "$0")/../.."
out=../build/check
mkdir -p $out
cxx="${CXX:-g++} -std=c++17 -O1 -fPIC -fvisibility=hidden -Wno-unknown-pragmas -Wno-attributes -Wno-psabi"
newer() { [ ! -f "$2" ] || [ "$1" -nt "$2" ] || [ -n "$(find cuda lab/emulator lab/check cpu/context.h include reference -name '*.*h' -newer "$2" | head -1)" ]; }
compile() { if newer "$1" "$2"; then $cxx "${@:3}" -c "$1" -o "$2"; fi; }  # source, object, flags: an object that is newer than all it is made of stays
header=$(ls -d "$CUDA_HOME"/include /usr/local/cuda/include /usr/local/cuda-*/include /usr/local/lib/python*/dist-packages/nvidia/cu*/include 2>/dev/null | while read -r d; do [ -f "$d/cuda.h" ] && echo "$d" && break; done)
for f in lab/check/*.cpp; do
  o=$out/$(basename "$f" .cpp).o
  case $f in
    lab/check/device_cuda.cpp) [ "$1" = emulator ] && continue; compile "$f" "$o" -I"$header" ;;
    lab/check/device_emulated.cpp) [ "$1" = emulator ] || continue; compile "$f" "$o" ;;
    *) compile "$f" "$o" ;;
  esac
done
for f in reference/*.cpp; do
  compile "$f" "$out/reference_$(basename "$f" .cpp).o" -O2
done
common=$(ls $out/*.o | grep -v -e /device_ -e /cuda_ -e /emulator.o)
if [ "$1" = emulator ]; then
  for f in cuda/*.cu lab/attention_variants.cu lab/walk_variants.cu; do  # the variants that are checked before a card times them
    compile "$f" "$out/cuda_$(basename "$f" .cu).o" -x c++ -DREMORA_EMULATE
  done
  compile lab/emulator/emulator.cpp $out/emulator.o -Wno-dangling-pointer
  ${CXX:-g++} -shared -Wl,-Bsymbolic -o $out/emulated.so $out/cuda_*.o $out/emulator.o
  ${CXX:-g++} -o $out/emulated-check $common $out/device_emulated.o -ldl
else
  ${CXX:-g++} -static-libstdc++ -static-libgcc -o $out/cuda-check $common $out/device_cuda.o -ldl
fi
