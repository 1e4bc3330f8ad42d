/** One pass worth of packed blocks as flat arrays: what the trainer copies to the device. N = blocks · block length. */
export interface Batch {
  /** Padding holds token 0. */
  readonly tokens: Int32Array; // [N]
  /** The next token of the same row where it is trained, else -1. */
  readonly targets: Int32Array; // [N]
  /** Restart at 0 with each row. */
  readonly positions: Int32Array; // [N]
  /** Rows of the same segment: [start, end) as absolute indexes; equal on padding. */
  readonly segmentStart: Int32Array; // [N]
  readonly segmentEnd: Int32Array; // [N]
  /** Targets that are not -1. */
  readonly trainedTokens: number;
  /** Tokens that are not padding. */
  readonly tokenCount: number;
  /** Rows of data packed here. */
  readonly rows: number;
}
