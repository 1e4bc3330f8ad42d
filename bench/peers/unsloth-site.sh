#!/bin/sh
# Gathers Unsloth for a machine without a network (x86-64, Python 3.12): downloads the pinned wheels, leaves out the web studio, tests and symbols,
# and packs the rest: 36 MB in a folder, 6.5 MB packed.
#   sh bench/peers/unsloth-site.sh .gpu/unsloth.tar.xz
# There: mkdir /tmp/unsloth-site && tar xf .gpu/unsloth.tar.xz -C /tmp/unsloth-site, then PYTHONPATH (bench/gpu/all.sh does it).
set -e
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/wheels" "$work/site"
python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp --platform manylinux_2_28_x86_64 \
  --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 -d "$work/wheels" -r "$here/unsloth-requirements.txt"
cd "$work/site"
for wheel in "$work"/wheels/*.whl; do unzip -q -o "$wheel"; done
rm -rf studio unsloth_cli ./*.data
find . -type d \( -name tests -o -name docs -o -name examples -o -name __pycache__ \) -prune -exec rm -rf {} +
find . -name '*.so*' -exec strip --strip-unneeded {} +
tar c --sort=name --owner=0 --group=0 . | xz -6 > "$out"
du -sh . "$out"
