/** Grid sizes: how many blocks cover `count` items, and the cap of grid-stride kernels. */
export function blocks(count: number, perBlock: number): number {
  return Math.ceil(count / perBlock);
}

/** Grid-stride kernels need no more blocks than fill the card a few times over. */
export function strideBlocks(count: number, perBlock: number, cap = 4096): number {
  return Math.min(blocks(count, perBlock), cap);
}

/** Grid rows, which the hardware limits. */
export function gridRows(rows: number): number {
  return Math.min(rows, 65535);
}
