/**
 * Where a tensor's bytes stand in a file. Nothing is read or copied: the loader maps the file and points at `byteOffset`.
 */

export interface TensorView<DType extends string = string> {
  /** Name in the file. */
  readonly name: string;
  /** The file's own word for the element type: `BF16`, `Q4_K`. */
  readonly dtype: DType;
  /** Row-major, slowest dimension first. */
  readonly shape: readonly number[];
  readonly path: string;
  /** From the start of the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}
