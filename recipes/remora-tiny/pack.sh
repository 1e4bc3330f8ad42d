#!/bin/sh
# Gathers what the calls of card.sh carry, from the root of a checkout with dist (npx tsdown) and prebuilds/ of the kernels as they are:
#   sh recipes/remora-tiny/pack.sh <data folder> <model folder of tokenizer.ts> <target> [demo's held-out.jsonl]
# Target gets tiny-1/ and tiny-2/. The texts go as they are, packed by their makers; Node as tiny-1/node.xz, when it is not there yet.
set -e
if [ ! -d "$1/pretrain" ] || [ ! -f "$2/tokenizer.json" ] || [ -z "$3" ]; then
  echo "usage: sh recipes/remora-tiny/pack.sh <data folder> <model folder of tokenizer.ts> <target> [demo's held-out.jsonl]" >&2
  exit 2
fi
cd "$(dirname "$0")/../.."
data=$1 model=$2 target=$3 demo=${4:-examples/translate/held-out.jsonl}
one=$target/tiny-1 two=$target/tiny-2
rm -rf "$one/data" "$two/data"
mkdir -p "$one/data/pretrain" "$one/data/translation" "$one/data/qa" "$two/data/pretrain"
if [ ! -f "$one/node.xz" ]; then
  cp "$(readlink -f "$(command -v node)")" "$one/node" && strip -s "$one/node" && xz -9 "$one/node"
fi
app=$(mktemp -d)
mkdir -p "$app/app/node_modules/@koromix" "$app/app/node_modules/@huggingface" "$app/model"
cp -r dist package.json prebuilds "$app/app/"
for name in zod koffi commander yaml papaparse hono @hono/node-server @huggingface/tokenizers @huggingface/jinja @koromix/koffi-linux-x64; do
  mkdir -p "$app/app/node_modules/$(dirname "$name")" && cp -rL "node_modules/$name" "$app/app/node_modules/$(dirname "$name")/"
done
find "$app/app/node_modules" \( -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' -o -name '*.map' -o -name '*.md' \) -delete
rm -rf "$app/app/node_modules/zod/src" "$app/app/node_modules/koffi/vendor" "$app/app/node_modules/koffi/doc"
for name in prepare trials; do node scripts/device-test-bundle.mjs --entry "recipes/remora-tiny/$name.ts" --out ".gpu/$name.mjs"; done
cp .gpu/prepare.mjs "$app/app/"
cp "$model"/*.json "$app/model/"
tar -C "$app" -c app model | xz -6 > "$one/app.tar.xz"
rm -rf "$app"
cp recipes/remora-tiny/card.sh "$one/" && cp recipes/remora-tiny/card.sh recipes/remora-tiny/pretrain.yaml recipes/remora-tiny/mixes.yaml .gpu/trials.mjs "$two/"
cp "$data"/translation/*.tsv "$one/data/translation/"
for name in squad-v2-dev-half jaquad-dev; do xz -9 -c "$data/qa/$name.json" > "$one/data/qa/$name.json.xz"; done
cp "$demo" "$one/data/demo-held-out.jsonl"
for name in en-books-03 ja-wiki-jaquad; do cp -f "$data/pretrain/$name.txt.xz" "$one/data/pretrain/"; done
cp -f "$data"/pretrain/pairs*.tsv.xz "$one/data/pretrain/"
for name in en-factbook en-wiki-squad ja-pydocs ja-aozora-01 ja-aozora-02 ja-aozora-03 en-books-01 en-books-02; do cp -f "$data/pretrain/$name.txt.xz" "$two/data/pretrain/"; done
chmod -R u+w "$one" "$two"
du -sb "$one" "$two"
