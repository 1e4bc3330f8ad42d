/**
 * The merges that a SentencePiece BPE vocabulary implies.
 *
 * SentencePiece merges whichever neighbours form the piece with the best score. Every way to cut a piece into two pieces is thus a merge,
 * and its rank is the piece's place by score; the ways to build one piece follow each other, ordered by their halves' ids. Given as flat
 * triples of ids: left, right, merged.
 *
 * @see google/sentencepiece `bpe_model.cc`; huggingface/transformers `convert_slow_tokenizer.py` for the same derivation
 */
export function sentencePieceMerges(
  ids: ReadonlyMap<string, number>,
  scores: ArrayLike<unknown>,
  excluded: ReadonlySet<number>,
): Int32Array {
  const order = [...ids].filter(([, id]) => !excluded.has(id)).sort((a, b) => Number(scores[b[1]]) - Number(scores[a[1]]) || a[1] - b[1]);
  const merges: number[] = [];
  for (const [piece, id] of order) {
    const cuts: [number, number][] = [];
    for (let cut = 1; cut < piece.length; cut++) {
      const unit = piece.charCodeAt(cut);
      if (unit >= 0xdc00 && unit <= 0xdfff) continue; // inside a surrogate pair
      const left = ids.get(piece.slice(0, cut));
      if (left === undefined || excluded.has(left)) continue;
      const right = ids.get(piece.slice(cut));
      if (right !== undefined && !excluded.has(right)) cuts.push([left, right]);
    }
    if (cuts.length > 1) cuts.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    for (const [left, right] of cuts) merges.push(left, right, id);
  }
  return Int32Array.from(merges);
}
