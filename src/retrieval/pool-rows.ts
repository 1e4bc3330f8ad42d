/** Hidden rows of packed texts → one vector of length 1 each: their mean, or the first row (`[CLS]`). Sums in f64. */

/** @param hidden f32 [N, E], texts one behind the other  @param lengths rows of each text */
export function poolRows(hidden: Float32Array, lengths: readonly number[], width: number, pooling: "mean" | "cls"): Float32Array[] {
  let row = 0;
  return lengths.map((length) => {
    const sums = new Float64Array(width);
    const rows = pooling === "cls" ? 1 : length;
    for (let i = 0; i < rows; i++) {
      const start = (row + i) * width;
      for (let c = 0; c < width; c++) sums[c]! += hidden[start + c]!;
    }
    row += length;
    let square = 0;
    for (const value of sums) square += value * value;
    // A text without tokens has no direction: zeros, not NaN.
    const scale = square > 0 ? 1 / Math.sqrt(square) : 0;
    return Float32Array.from(sums, (value) => value * scale);
  });
}
