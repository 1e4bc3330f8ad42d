/**
 * Which words of an answer another answer does not have, in order: the longest common subsequence of word segments is common, the rest differs.
 * Words by `Intl.Segmenter`, which knows Japanese.
 */
export interface Piece {
  readonly text: string;
  readonly differs: boolean;
}

/** Longer pairs are not compared: the table grows with their product. */
const MAX_SEGMENTS = 1500;
const segmenter = new Intl.Segmenter("ja", { granularity: "word" });
const same = (segment: string) => segment.normalize("NFKC").toLowerCase();

/** @param other to compare with; without a letter in it there is nothing to compare and nothing differs */
export function differences(text: string, other: string): readonly Piece[] {
  const ours = Array.from(segmenter.segment(text), ({ segment }) => segment);
  const theirs = Array.from(segmenter.segment(other), ({ segment }) => segment);
  if (!/[\p{L}\p{N}]/u.test(other) || ours.length > MAX_SEGMENTS || theirs.length > MAX_SEGMENTS) return [{ text, differs: false }];
  const common = commonSegments(ours.map(same), theirs.map(same));
  const pieces: { text: string; differs: boolean }[] = [];
  for (const [index, segment] of ours.entries()) {
    const last = pieces.at(-1);
    // Spaces and punctuation belong to what stands before them.
    const differs = /[\p{L}\p{N}]/u.test(segment) ? !common[index] : (last?.differs ?? false);
    if (last?.differs === differs) last.text += segment;
    else pieces.push({ text: segment, differs });
  }
  return pieces;
}

/** For each segment of `a` whether it belongs to a longest common subsequence with `b`. */
function commonSegments(a: readonly string[], b: readonly string[]): boolean[] {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] =
        a[i] === b[j] ? lengths[(i + 1) * width + j + 1]! + 1 : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
    }
  }
  const common = new Array<boolean>(a.length).fill(false);
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      common[i] = true;
      i++;
      j++;
    } else if (lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!) i++;
    else j++;
  }
  return common;
}
