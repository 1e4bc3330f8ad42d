/**
 * The merges that a SentencePiece BPE vocabulary implies.
 *
 * SentencePiece merges whichever neighbours form the piece with the best score. Every way to cut a piece into two pieces is thus a merge,
 * and its rank is the piece's place by score. Ways to build one piece rank together, ordered by their halves' ids, which never changes a result that scores
 * already decide.
 *
 * @see google/sentencepiece `bpe_model.cc`; huggingface/transformers `convert_slow_tokenizer.py` for the same derivation
 */
export function sentencePieceMerges(
  pieces: readonly string[],
  scores: ArrayLike<unknown>,
  excluded: ReadonlySet<number>,
): [string, string][] {
  const ids = new Map<string, number>();
  for (let id = 0; id < pieces.length; id++) if (!excluded.has(id) && !ids.has(pieces[id]!)) ids.set(pieces[id]!, id);
  const order = [...ids.values()].sort((a, b) => Number(scores[b]) - Number(scores[a]) || a - b);
  const merges: [string, string][] = [];
  for (const id of order) {
    const piece = pieces[id]!;
    const cuts: [string, string, number, number][] = [];
    for (let cut = 1; cut < piece.length; cut++) {
      const unit = piece.charCodeAt(cut);
      if (unit >= 0xdc00 && unit <= 0xdfff) continue; // inside a surrogate pair
      const left = ids.get(piece.slice(0, cut));
      if (left === undefined) continue;
      const right = ids.get(piece.slice(cut));
      if (right !== undefined) cuts.push([piece.slice(0, cut), piece.slice(cut), left, right]);
    }
    cuts.sort((a, b) => a[2] - b[2] || a[3] - b[3]);
    for (const [left, right] of cuts) merges.push([left, right]);
  }
  return merges;
}
