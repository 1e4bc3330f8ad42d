/**
 * bitsandbytes' dynamic 8-bit number type: 256 values in [-1, 1] (signed) or [0, 1] (unsigned) whose spacing grows with magnitude.
 *
 * It encodes NF4's scales under double quantization (signed) and the moments of 8-bit AdamW (signed for m, unsigned for v). A code is an index
 * into the sorted map. Equal to `create_dynamic_map` of bitsandbytes 0.50 to the bit, which means doing its sums in f32 in its order.
 * Source: Dettmers et al. 2021, arXiv:2110.02861.
 */

const MAX_EXPONENT_BITS = 7;

/** The 256 values, ascending, f32. */
export function createDynamicMap(signed: boolean): Float32Array {
  const values: number[] = [0, 1];
  for (let i = 0; i < MAX_EXPONENT_BITS; i++) {
    const items = signed ? 2 ** i : 2 ** (i + 1);
    const scale = Math.fround(10 ** (i - (MAX_EXPONENT_BITS - 1)));
    const bounds = linspaceF32(0.1, 1, items + 1);
    for (let j = 0; j < items; j++) {
      const mean = Math.fround(Math.fround(bounds[j]! + bounds[j + 1]!) / 2);
      const value = Math.fround(scale * mean);
      values.push(value);
      if (signed) values.push(-value);
    }
  }
  return Float32Array.from(values.sort((a, b) => a - b));
}

/**
 * `count` points from `start` to `end` in f32: counted from the start in the first half and back from the end in the second, one rounding each,
 * as PyTorch does on processors with fused multiply-add. (Its build without vector instructions rounds twice, and 12 of 65 points differ.)
 */
function linspaceF32(start: number, end: number, count: number): Float32Array {
  const from = Math.fround(start);
  const to = Math.fround(end);
  const step = Math.fround(Math.fround(to - from) / (count - 1));
  const half = count >> 1;
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    out[i] = i < half ? from + step * i : to - step * (count - i - 1);
  }
  return out;
}
