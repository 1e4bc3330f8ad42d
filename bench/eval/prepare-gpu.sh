#!/bin/sh
# Gathers what bench/eval/card.sh needs on a machine with a GPU that reaches nothing: parts of at most 44 MB in .gpu/qa-*, to be carried one by one.
#   sh bench/eval/prepare-gpu.sh DATA MODEL.gguf...     (after npx tsdown; DATA holds squad-v2-dev-half.json and jaquad-dev.json)
# The kernels come from .gpu/build, as bench/gpu/prepare.sh leaves them.
set -e
cd "$(dirname "$0")/../.."
data=$1
shift
piece=44000000
rm -rf .gpu/qa-*
mkdir -p .gpu/qa-app .gpu/qa-lancedb
npx tsx bench/eval/qa-variants.ts --data "$data" --model none --out .gpu/qa-prepared --stages index,rows
lance=node_modules/@lancedb/lancedb-linux-x64-gnu/lancedb.linux-x64-gnu.node
# LanceDB is a peer, so what it needs is no dependency of ours.
closure='const { existsSync, readFileSync } = require("node:fs"), seen = new Set();
const add = (name) => {
  const folder = `node_modules/${name}`;
  if (seen.has(folder) || !existsSync(folder)) return;
  seen.add(folder);
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(`${folder}/package.json`));
  for (const other of Object.keys({ ...dependencies, ...peerDependencies })) add(other);
};
for (const name of ["@lancedb/lancedb", "@lancedb/lancedb-linux-x64-gnu"]) add(name);
console.log([...seen].join("\n"));'
{
  npm ls --omit=dev --all --parseable 2>/dev/null | grep node_modules | sed "s|^$PWD/||"
  node -e "$closure"
} | sort -u > .gpu/qa-packages
tar -cf - --exclude="$lance" --exclude='*.map' --exclude='*.d.ts' --exclude='*.d.cts' -T .gpu/qa-packages dist package.json studio/report |
  xz -6 > .gpu/qa-app/app.tar.xz
tar -cf - -C .gpu/qa-prepared index train.jsonl questions.jsonl | xz -6 > .gpu/qa-app/prepared.tar.xz
if [ -d .gpu/build ]; then tar -cJf .gpu/qa-app/build.tar.xz -C .gpu build; fi
node=.gpu/qa-node
cp "$(readlink -f "$(command -v node)")" $node && strip -s $node && xz -6 -c $node > .gpu/qa-app/node.xz && rm $node
xz -3 -c $lance > .gpu/qa-lancedb/lancedb.xz
for model in "$@"; do
  name=$(basename "$model" .gguf)
  split -b $piece -d -a 1 "$model" ".gpu/qa-$name."
  for part in .gpu/qa-"$name".?; do
    mkdir "$part.d" && mv "$part" "$part.d/part" && mv "$part.d" "$part"
  done
done
du -sh --apparent-size .gpu/qa-*/
