/**
 * The batch a training step takes: B blocks of T tokens, flat.
 *
 * Rows lie side by side in a block and never see each other: each token carries the bounds of its own row, as row numbers of the flat batch
 * (the form `remora_attention_forward` reads). Padding has `segmentStart == segmentEnd`, so attention gives zeros there, and target -1.
 */

export interface Batch {
  /** Blocks, B. */
  blockCount: number;
  /** Tokens of a block, T. */
  blockLength: number;
  /** i32 [B·T] token ids; the padding id where nothing stands. */
  tokens: Int32Array;
  /** i32 [B·T] the next token of the same row where it is trained, else -1. */
  targets: Int32Array;
  /** i32 [B·T] place in the row, from 0. */
  positions: Int32Array;
  /** i32 [B·T] first token of this token's row, counted through the flat batch. */
  segmentStart: Int32Array;
  /** i32 [B·T] one past its last token. */
  segmentEnd: Int32Array;
  /** Targets that are not -1. */
  trainedTokens: number;
  /** Tokens that are not padding. */
  tokenCount: number;
  /** Rows of the source in the order they stand; a row cut over blocks stands once for each. */
  rows: number[];
}

export function emptyBatch(blockCount: number, blockLength: number, padding: number): Batch {
  const n = blockCount * blockLength;
  return {
    blockCount,
    blockLength,
    tokens: new Int32Array(n).fill(padding),
    targets: new Int32Array(n).fill(-1),
    positions: new Int32Array(n),
    segmentStart: new Int32Array(n),
    segmentEnd: new Int32Array(n),
    trainedTokens: 0,
    tokenCount: 0,
    rows: [],
  };
}

/**
 * Writes one segment at a place of the flat batch.
 *
 * @param next  the token after the segment in the same row, when the segment is cut off there and that token is trained; else -1
 */
export function placeSegment(batch: Batch, at: number, ids: ArrayLike<number>, trained: ArrayLike<number>, row: number, next = -1): void {
  const end = at + ids.length;
  for (let i = 0; i < ids.length; i++) {
    const n = at + i;
    batch.tokens[n] = ids[i]!;
    batch.positions[n] = i;
    batch.segmentStart[n] = at;
    batch.segmentEnd[n] = end;
    const target = i + 1 < ids.length ? (trained[i + 1] ? ids[i + 1]! : -1) : next;
    batch.targets[n] = target;
    if (target >= 0) batch.trainedTokens++;
  }
  batch.tokenCount += ids.length;
  batch.rows.push(row);
}

let ones = new Uint8Array(0);

/** `trained` of a segment whose every token carries loss; a window of memory that is used again. */
export function allTrained(length: number): Uint8Array {
  if (ones.length < length) ones = new Uint8Array(length * 2).fill(1);
  return ones;
}
