/**
 * All layers of a decoder for one row of asking in one launch, from NF4 weights without adapters, on Hopper. Kernel: decoder_walk.cu.
 * REMORA_CUDA_WALK=0 leaves them to the ops one by one.
 */
import process from "node:process";
import { ShapeError } from "../../../errors/shape-error.ts";
import type { GatedKind, LayerOperand, LinearOperand, Operand, WeightOperand } from "../../backend.ts";
import type { CudaRuntime } from "../cuda-runtime.ts";
import { blocks } from "./grids.ts";
import type { LinearStates } from "./linear-state.ts";

/** The card's major version: the kernel is machine code for sm_90a alone. */
const HOPPER = 9;
/** sizeof(WalkLayer) and sizeof(WalkPart) in decoder_walk.cu, and where the rest of a layer begins. */
const LAYER_BYTES = 384;
const PART_BYTES = 40;
const PARTS = 7;
const POINTERS_AT = PARTS * PART_BYTES;
const WINDOW_AT = POINTERS_AT + 8 * 8;
/** A tensor map of each part's codes; the kernel reads them as 16-bit elements, in boxes of so many of them by GROUP_ROWS. */
const MAP_BYTES = 128;
const BOX_COLUMNS = 64;
/** Dynamic shared memory of a block, and what of it holds sums, scales of scales (as many of them) and the lists of its warps (as many pieces each). */
const SHARED_BYTES = 231424;
const SUMS_BYTES = 10240;
const MOST_NESTED = 640;
const MOST_PIECES = 40;
const WARPS = 20;
/** The workspace: state and counters come first. */
const STATE_BYTES = 4096;
const MOST_JOBS = 512;
const HEADS_A_JOB = 4;
/** Rows that lie together, columns that a warp multiplies, a multiple that every inner size is of, the largest of them. */
const GROUP_ROWS = 8;
const UNIT_COLUMNS = 512;
const COLUMNS = 128;
const MOST_COLUMNS = 16384;
const ALIGNMENT = 16;
/** Columns under one scale, and scales under one scale of scales. */
const BLOCK = 64;
const BLOCKS_A_SCALE = 256;
/** gate_value in gate.cuh. */
const GATE: Readonly<Record<GatedKind, number>> = { silu: 0, "gelu-tanh": 1 };

/** Columns of a layer's input, of its gated rows, query heads, key heads, and the columns of a head. */
export interface Sizes {
  readonly C: number;
  readonly F: number;
  readonly H: number;
  readonly K: number;
  readonly D: number;
}

/** `Backend.layersStep`. */
export function layersStep(
  cuda: CudaRuntime,
  states: LinearStates,
  layers: readonly LayerOperand[],
  x: Operand,
  y: Operand,
  { eps, activation }: { eps: number; activation: GatedKind },
): boolean {
  const first = layers[0];
  if (process.env.REMORA_CUDA_WALK === "0" || !first || cuda.card.major !== HOPPER || cuda.card.sharedPerBlock < SHARED_BYTES) return false;
  const sizes = sizesOf(first);
  const { C, F, H, K, D } = sizes;
  for (const operand of [x, y]) {
    if (operand.shape.length !== 2 || operand.shape[1] !== C || operand.dtype !== x.dtype)
      throw new ShapeError("layersStep", [1, C], operand.shape);
  }
  if (x.dtype !== "bf16" || x.shape[0] !== 1 || y.shape[0] !== 1) return false;
  const [input, output] = [cuda.in(x), cuda.out(y)];
  if (input === output || input % ALIGNMENT || output % ALIGNMENT) return false;
  if (!cuda.kernels.has(`decoder_walk_d${D}_bf16`) || !fitting(sizes) || !layers.every((layer) => takesLayer(cuda, layer, first, sizes)))
    return false;

  const width = (H + 2 * K) * D;
  const jobs = K * blocks(H / K, HEADS_A_JOB);
  const grid = Math.min(cuda.card.multiprocessors, C / GROUP_ROWS, F / GROUP_ROWS, width / GROUP_ROWS);
  if (jobs > Math.min(MOST_JOBS, grid) || !roomy(sizes, grid)) return false;

  const rowBytes = 2 * (width + H * D + 2 * C + F) * 2;
  const bytes = STATE_BYTES + rowBytes + grid * HEADS_A_JOB * (D + 2) * 4;
  const workspace = cuda.prepared(`layers of ${[C, F, H, K, D, grid].join()}`, bytes, (address) => {
    cuda.fill(address, 0, STATE_BYTES);
    cuda.fill(address + STATE_BYTES, 0xff, bytes - STATE_BYTES);
  });
  const { cache, rule, rope } = first;
  const table = tableOf(cuda, states, layers);
  const pointers = [table, table + layers.length * LAYER_BYTES, layers.length, input, output, workspace];
  const rows = [cuda.in(cache.sequences), cuda.in(cache.positions), cuda.in(cache.blockTable)];
  const scalars = [C, F, H, K, rope.rotary, cache.pageSize, cache.blockTable.shape[1]!, GATE[activation], eps, rule.scale, rule.softcap];
  for (const { cache } of layers) for (const pages of [cache.keyPages, cache.valuePages]) cuda.out(pages);
  cuda.launchTogether(`decoder_walk_d${D}_bf16`, grid, [...pointers, ...rows, ...scalars], SHARED_BYTES);
  return true;
}

function sizesOf({ rule, attentionOutput, down }: LayerOperand): Sizes {
  const { heads: H, keyValueHeads: K, headDim: D } = rule;
  return { C: attentionOutput.parts[0]!.weight.rows, F: down.parts[0]!.weight.cols, H, K, D };
}

function fitting({ C, F, H, K, D }: Sizes): boolean {
  const columns = [C, F, H * D];
  return (
    (D === 64 || D === 128) &&
    (K * D) % GROUP_ROWS === 0 &&
    H % K === 0 &&
    columns.every((count) => count % COLUMNS === 0 && count <= MOST_COLUMNS)
  );
}

/** Whether a block's share of every linear of a layer finds room in its shared memory, when `grid` blocks share them. */
export function roomy({ C, F, H, K, D }: Sizes, grid: number): boolean {
  const linears = [
    { rows: (H + 2 * K) * D, columns: C, parts: 3, times: 1 },
    { rows: C, columns: H * D, parts: 1, times: 1 },
    { rows: F, columns: C, parts: 2, times: 2 },
    { rows: C, columns: F, parts: 1, times: 1 },
  ].map(({ rows, columns, parts, times }) => {
    const groups = blocks(rows / GROUP_ROWS, grid) * times;
    const pieces = groups * blocks(columns, UNIT_COLUMNS);
    return { pieces, nested: blocks((groups * GROUP_ROWS * columns) / BLOCK, BLOCKS_A_SCALE) + 2 * parts };
  });
  const list = linears.reduce((sum, { pieces }) => sum + blocks(pieces, WARPS), 0);
  return list <= MOST_PIECES && linears.every(({ pieces, nested }) => pieces * GROUP_ROWS * 4 <= SUMS_BYTES && nested <= MOST_NESTED);
}

/** Whether the layer is like the first and made of what the kernel reads. */
function takesLayer(cuda: CudaRuntime, layer: LayerOperand, first: LayerOperand, { C, F, H, K, D }: Sizes): boolean {
  const { queryKeyValue, attentionOutput, gateUp, down, rule, rope, cache } = layer;
  const takes = (linear: LinearOperand, outs: readonly number[], columns: number) =>
    linear.parts.length === outs.length &&
    linear.parts.every(({ weight }) => !weight.nested === !linear.parts[0]!.weight.nested) &&
    linear.parts.every(
      ({ weight, lora }, p) => !(lora && lora.rank > 0) && weight.rows === outs[p] && weight.cols === columns && takesWeight(cuda, weight),
    );
  const alike =
    rule.heads === H &&
    rule.keyValueHeads === K &&
    rule.headDim === D &&
    rule.scale === first.rule.scale &&
    rule.softcap === first.rule.softcap &&
    rope.rotary === first.rope.rotary &&
    cache.pageSize === first.cache.pageSize;
  const unbiased = !attentionOutput.bias && !gateUp.bias && !down.bias;
  const pointers = [cache.keyPages, cache.valuePages, layer.attentionNorm, layer.mlpNorm];
  return (
    alike &&
    unbiased &&
    rule.causal &&
    rope.rotary % 2 === 0 &&
    (cache.pageSize & (cache.pageSize - 1)) === 0 &&
    cache.keyPages.dtype === "bf16" &&
    pointers.every((operand) => cuda.in(operand) % ALIGNMENT === 0) &&
    takes(queryKeyValue, [H * D, K * D, K * D], C) &&
    takes(attentionOutput, [C], H * D) &&
    takes(gateUp, [F, F], C) &&
    takes(down, [C], F)
  );
}

function takesWeight(cuda: CudaRuntime, { format, data, scales, nested }: WeightOperand): boolean {
  if (format !== "nf4" || !scales) return false;
  return [data, scales, nested?.scales].every((operand) => cuda.optionalIn(operand) % ALIGNMENT === 0);
}

/** q, k, v, o, gate, up, down. */
function weightsOf({ queryKeyValue, attentionOutput, gateUp, down }: LayerOperand): WeightOperand[] {
  return [queryKeyValue, attentionOutput, gateUp, down].flatMap(({ parts }) => parts.map(({ weight }) => weight));
}

/** Address of what the kernel knows of the layers, the tensor maps of their weights behind it; written once for each set of addresses. */
function tableOf(cuda: CudaRuntime, states: LinearStates, layers: readonly LayerOperand[]): number {
  const bytes = new Uint8Array(layers.length * LAYER_BYTES);
  const view = new DataView(bytes.buffer);
  const pointer = (at: number, operand: Operand | undefined) => view.setBigUint64(at, BigInt(cuda.optionalIn(operand)), true);
  for (const [index, layer] of layers.entries()) {
    const { queryKeyValue, rope, cache } = layer;
    const start = index * LAYER_BYTES;
    for (const [p, { data, scales, nested }] of weightsOf(layer).entries()) {
      const at = start + p * PART_BYTES;
      for (const [i, operand] of [data, scales, nested?.scales, nested?.code].entries()) pointer(at + 8 * i, operand);
      view.setFloat32(at + 32, nested?.offset ?? 0, true);
    }
    const rest = [
      queryKeyValue.bias,
      layer.attentionNorm,
      layer.mlpNorm,
      rope.queryNorm,
      rope.keyNorm,
      rope.table,
      cache.keyPages,
      cache.valuePages,
    ];
    for (const [i, operand] of rest.entries()) pointer(start + POINTERS_AT + 8 * i, operand);
    view.setInt32(start + WINDOW_AT, layer.rule.window, true);
  }
  const { layerTables } = states.of(layers[0]!.queryKeyValue);
  const known = layerTables.find((table) => table.bytes.length === bytes.length && table.bytes.every((byte, i) => byte === bytes[i]));
  if (known) return known.memory.address!;
  const maps = layers
    .flatMap(weightsOf)
    .map(({ data, rows, cols }) => cuda.tensorMap("bf16", cuda.in(data), cols / 4, rows, BOX_COLUMNS, GROUP_ROWS));
  const memory = cuda.memory.allocate(bytes.byteLength + maps.length * MAP_BYTES, "table of layers");
  cuda.sendBytes(memory.address!, Buffer.concat([bytes, ...maps]));
  layerTables.push({ bytes, memory });
  return memory.address!;
}
