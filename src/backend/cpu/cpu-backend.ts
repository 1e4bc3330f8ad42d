/**
 * The CPU as a `Backend`: each op checks its operands, passes their addresses to the kernel of the same name in remora.h, and turns a refusal
 * into an error. A call blocks until the kernel has finished; that is why the engine lives in a worker.
 *
 * The reference backend is this class over the library's `reference` kernels. What ops mean stands in remora.h; what shapes they accept in
 * `../shapes/`; how memory is counted and guarded in `memory-pool.ts` and `cpu-memory.ts`.
 */
import { cpus } from "node:os";
import { ShapeError } from "../../errors/shape-error.ts";
import type {
  ActivationDType,
  AdamWOperand,
  AttentionRule,
  Backend,
  CapturedWork,
  DeviceDescription,
  DeviceMemory,
  GatedKind,
  GgufBlockFormat,
  HeadShape,
  LinearOperand,
  LoraOperand,
  Operand,
  PagedCacheOperand,
  RopeOperand,
  SamplingOperand,
  WeightOperand,
} from "../backend.ts";
import { operandBytes } from "../element-types.ts";
import { gatedBackwardSizes, gatedForwardSizes, geluForwardSizes } from "../shapes/activations.ts";
import {
  attentionBackwardSizes,
  attentionForwardSizes,
  attentionPagedSizes,
  cacheSizes,
  ropeBackwardSizes,
  ropeForwardSizes,
} from "../shapes/attention.ts";
import { addSizes, convertSizes, copySizes, gatherRowsSizes, randomSizes, sumSizes } from "../shapes/elementwise.ts";
import { embeddingBackwardSizes, embeddingForwardSizes, headLossSizes } from "../shapes/embedding.ts";
import { linearBackwardInputSizes, linearBackwardWeightSizes, linearForwardSizes, loraBackwardSizes } from "../shapes/linear.ts";
import { layerNormForwardSizes, rmsNormApplySizes, rmsNormBackwardSizes, rmsNormForwardSizes } from "../shapes/norms.ts";
import {
  adamwSizes,
  fp8EncodeSizes,
  ggufEncodeSizes,
  gradientNormSizes,
  mergeRowsSizes,
  nf4EncodeSizes,
  nf4NestSizes,
  sampleSizes,
  scaleLossSizes,
  updateLossScaleSizes,
  weightDecodeSizes,
} from "../shapes/optimizer.ts";
import type { NativeLibrary } from "./bindings.generated.ts";
import { cpuMemory, readable, writable } from "./cpu-memory.ts";
import { freeMemory, usableMemory } from "./free-memory.ts";
import { nextLossScale } from "./loss-scale.ts";
import { MemoryPool } from "./memory-pool.ts";
import { DTYPE_CODES, FORMAT_CODES } from "./native-codes.ts";
import type { NativeContext, OpTime } from "./native-context.ts";
import { viewBytes } from "./native-library.ts";
import { NativeStructs } from "./native-linear.ts";

/** One remora_copy moves at most this much, so that no JavaScript view ever exceeds what Node 20 can address. */
const COPY_WINDOW = 2 ** 30;

export class CpuBackend implements Backend {
  readonly device: DeviceDescription;
  readonly #library: NativeLibrary;
  readonly #context: NativeContext;
  readonly #memory: MemoryPool;
  readonly #structs = new NativeStructs();
  readonly #onDispose: (() => void) | undefined;
  #op = "";

  constructor(library: NativeLibrary, context: NativeContext, onDispose?: () => void) {
    this.#onDispose = onDispose;
    this.#library = library;
    this.#context = context;
    this.device = describeDevice(context);
    this.#memory = new MemoryPool(library, this.device.name);
  }

  // ---- memory ----
  get allocatedBytes(): number {
    return this.#memory.allocatedBytes;
  }
  get peakBytes(): number {
    return this.#memory.peakBytes;
  }
  /** Bytes of mapped files; they are the system's page cache, not allocations. */
  get mappedBytes(): number {
    return this.#memory.mappedBytes;
  }
  /** Bytes that the kernels keep for their own scratch. */
  get scratchBytes(): number {
    return this.#context.scratchBytes;
  }
  /** Calls and milliseconds by op, or null when the backend was opened without profiling. */
  get opTimes(): ReadonlyMap<string, OpTime> | null {
    return this.#context.times;
  }

  allocate(bytes: number, label: string): DeviceMemory {
    return this.#memory.allocate(bytes, label);
  }
  release(memory: DeviceMemory): void {
    this.#memory.release(memory);
  }
  loadFile(path: string, byteOffset: number, bytes: number, label: string): DeviceMemory {
    return this.#memory.loadFile(path, byteOffset, bytes, label);
  }
  adviseFile(part: Operand, advice: "soon" | "done"): void {
    if (!cpuMemory("adviseFile", part.memory).readOnly) return;
    this.#library.remora_file_advise(readable("adviseFile", part), operandBytes(part), advice === "soon" ? 1 : 0);
  }
  resetPeak(): void {
    this.#memory.resetPeak();
  }

  upload(target: Operand, source: Uint8Array): void {
    this.#enterTransfer("upload");
    if (source.byteLength !== operandBytes(target)) {
      throw new ShapeError(`upload to "${target.label ?? target.memory.label}"`, `${operandBytes(target)} bytes`, `${source.byteLength}`);
    }
    const address = this.#out(target);
    for (let start = 0; start < source.byteLength; start += COPY_WINDOW) {
      const piece = source.subarray(start, start + COPY_WINDOW);
      this.#library.remora_copy(address + BigInt(start), piece, piece.byteLength);
    }
    this.#leave(0);
  }

  async download(source: Operand): Promise<Uint8Array> {
    this.#enterTransfer("download");
    const address = this.#in(source);
    const result = new Uint8Array(operandBytes(source));
    for (let start = 0; start < result.byteLength; start += COPY_WINDOW) {
      const piece = result.subarray(start, start + COPY_WINDOW);
      this.#library.remora_copy(piece, address + BigInt(start), piece.byteLength);
    }
    this.#leave(0);
    return result;
  }

  hostBytes(memory: DeviceMemory): Uint8Array {
    const { bytes } = memory;
    const operand = { memory, byteOffset: 0, dtype: "u8" as const, shape: [bytes] };
    return viewBytes(writable("hostBytes", operand), bytes);
  }

  async synchronize(): Promise<void> {}

  capture(run: () => void): CapturedWork {
    run();
    return { replay: run, release: () => {} };
  }

  /** Releases everything this backend allocated or mapped, and its threads. Safe to call twice. */
  dispose(): void {
    if (!this.#context.destroyed) this.#onDispose?.();
    this.#memory.releaseAll();
    this.#context.destroy();
  }

  /** Ops have finished when they return, so single numbers can be read between them. */
  #readFloats(source: Operand): Float32Array {
    const values = new Float32Array(operandBytes(source) / 4);
    this.#library.remora_copy(new Uint8Array(values.buffer), this.#in(source), values.byteLength);
    return values;
  }

  #writeFloats(target: Operand, values: readonly number[]): void {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    this.#library.remora_copy(this.#out(target), bytes, bytes.byteLength);
  }

  uninterrupted<T>(run: () => T): T {
    return this.#context.uninterrupted(run);
  }
  measurePeak(dtype: "f32" | "bf16", seconds: number): number {
    const ctx = this.#enter("measurePeak");
    const gflops = new Float64Array(1);
    this.#leave(this.#library.remora_measure_peak(ctx, gflops, DTYPE_CODES[dtype], seconds));
    return gflops[0]! * 1e9;
  }

  // ---- elementwise ----
  copy(source: Operand, target: Operand): void {
    copySizes(source, target);
    this.#enter("copy");
    this.#library.remora_copy(this.#out(target), this.#in(source), operandBytes(source));
    this.#leave(0);
  }

  zero(target: Operand): void {
    this.#enter("zero");
    this.#library.remora_fill_zero(this.#out(target), operandBytes(target));
    this.#leave(0);
  }

  convert(source: Operand, target: Operand): void {
    const { count, from, to } = convertSizes(source, target);
    const ctx = this.#enter("convert");
    const call = this.#library.remora_convert;
    this.#leave(call(ctx, this.#in(source), this.#out(target), count, DTYPE_CODES[from], DTYPE_CODES[to]));
  }

  add(x: Operand, y: Operand, scale: number): void {
    const { count, dtype } = addSizes(x, y);
    const ctx = this.#enter("add");
    this.#leave(this.#library.remora_add(ctx, this.#in(x), this.#out(y), count, DTYPE_CODES[dtype], scale));
  }

  sum(x: Operand, out: Operand): void {
    const { count } = sumSizes(x, out);
    const ctx = this.#enter("sum");
    this.#leave(this.#library.remora_sum(ctx, this.#in(x), this.#out(out), count));
  }

  random(x: Operand, seed: bigint, bound: number, distribution: "uniform" | "normal"): void {
    const { count } = randomSizes(x);
    const ctx = this.#enter("random");
    const normal = distribution === "normal" ? 1 : 0;
    this.#leave(this.#library.remora_random(ctx, this.#out(x), count, BigInt.asUintN(64, seed), bound, normal));
  }

  gatherRows(x: Operand, rows: Operand, out: Operand): void {
    const { count, C, dtype } = gatherRowsSizes(x, rows, out);
    const ctx = this.#enter("gatherRows");
    this.#leave(this.#library.remora_gather_rows(ctx, this.#in(x), this.#in(rows), this.#out(out), count, C, DTYPE_CODES[dtype]));
  }

  // ---- norms ----
  rmsNormForward(
    x: Operand,
    residual: Operand | null,
    weight: Operand,
    sum: Operand | null,
    y: Operand,
    rstd: Operand | null,
    eps: number,
  ): void {
    const { N, C, dtype } = rmsNormForwardSizes(x, residual, weight, sum, y, rstd);
    const ctx = this.#enter("rmsNormForward");
    const inputs = [this.#in(x), this.#in(residual), this.#in(weight)] as const;
    const outputs = [this.#out(sum), this.#out(y), this.#out(rstd)] as const;
    this.#leave(this.#library.remora_rms_norm_forward(ctx, ...inputs, ...outputs, N, C, DTYPE_CODES[dtype], eps));
  }

  rmsNormBackward(
    s: Operand,
    weight: Operand,
    rstd: Operand,
    dY: Operand,
    dResidual: Operand | null,
    dSum: Operand,
    weightGradient: Operand | null,
  ): void {
    const { N, C, dtype } = rmsNormBackwardSizes(s, weight, rstd, dY, dResidual, dSum, weightGradient);
    const ctx = this.#enter("rmsNormBackward");
    const inputs = [this.#in(s), this.#in(weight), this.#in(rstd), this.#in(dY), this.#in(dResidual)] as const;
    const outputs = [this.#out(dSum), this.#out(weightGradient)] as const;
    this.#leave(this.#library.remora_rms_norm_backward(ctx, ...inputs, ...outputs, N, C, DTYPE_CODES[dtype]));
  }

  rmsNormApply(s: Operand, weight: Operand, rstd: Operand, y: Operand): void {
    const { N, C, dtype } = rmsNormApplySizes(s, weight, rstd, y);
    const ctx = this.#enter("rmsNormApply");
    const call = this.#library.remora_rms_norm_apply;
    this.#leave(call(ctx, this.#in(s), this.#in(weight), this.#in(rstd), this.#out(y), N, C, DTYPE_CODES[dtype]));
  }

  layerNormForward(x: Operand, residual: Operand | null, weight: Operand, bias: Operand, y: Operand, eps: number): void {
    const { N, C, dtype } = layerNormForwardSizes(x, residual, weight, bias, y);
    const ctx = this.#enter("layerNormForward");
    const inputs = [this.#in(x), this.#in(residual), this.#in(weight), this.#in(bias)] as const;
    this.#leave(this.#library.remora_layer_norm_forward(ctx, ...inputs, this.#out(y), N, C, DTYPE_CODES[dtype], eps));
  }

  // ---- linear ----
  linearForward(linear: LinearOperand, x: Operand, y: Operand, xa: Operand | null): void {
    const ctx = this.#enter("linearForward");
    const { bytes, partCount, sizes } = this.#structs.linear(this.#op, linear);
    const { N, dtype } = linearForwardSizes(sizes, x, y, xa);
    const inputs = [bytes, partCount, this.#in(linear.bias), this.#in(x)] as const;
    const outputs = [this.#out(y), this.#out(xa)] as const;
    const call = this.#library.remora_linear_forward;
    this.#leave(call(ctx, ...inputs, ...outputs, N, DTYPE_CODES[dtype], linear.dropout, this.#in(linear.seed)));
  }

  linearBackwardInput(linear: LinearOperand, dY: Operand, dX: Operand | null, db: Operand | null): void {
    const ctx = this.#enter("linearBackwardInput");
    const { bytes, partCount, sizes } = this.#structs.linear(this.#op, linear);
    const { N, dtype } = linearBackwardInputSizes(sizes, dY, dX, db);
    const outputs = [this.#out(dX), this.#out(db)] as const;
    const call = this.#library.remora_linear_backward_input;
    this.#leave(call(ctx, bytes, partCount, this.#in(dY), ...outputs, N, DTYPE_CODES[dtype], linear.dropout, this.#in(linear.seed)));
  }

  loraBackward(linear: LinearOperand, x: Operand, xa: Operand, dY: Operand, db: Operand): void {
    const ctx = this.#enter("loraBackward");
    const { bytes, partCount, sizes } = this.#structs.linear(this.#op, linear);
    const { N, dtype } = loraBackwardSizes(sizes, x, xa, dY, db);
    const inputs = [this.#in(x), this.#in(xa), this.#in(dY), this.#in(db)] as const;
    const call = this.#library.remora_lora_backward;
    this.#leave(call(ctx, bytes, partCount, ...inputs, N, DTYPE_CODES[dtype], linear.dropout, this.#in(linear.seed)));
  }

  linearBackwardWeight(x: Operand, dY: Operand, dW: Operand, dBias: Operand | null, column: number): void {
    const { N, In, Out, stride, dtype } = linearBackwardWeightSizes(x, dY, dW, dBias, column);
    const ctx = this.#enter("linearBackwardWeight");
    const operands = [this.#in(x), this.#in(dY), this.#out(dW), this.#out(dBias)] as const;
    this.#leave(this.#library.remora_linear_backward_weight(ctx, ...operands, N, In, Out, stride, column, DTYPE_CODES[dtype]));
  }

  // ---- attention ----
  ropeForward(rope: RopeOperand, heads: HeadShape, qkv: Operand, positions: Operand, out: Operand): void {
    const { N, H, K, D, dtype } = ropeForwardSizes(rope, heads, qkv, positions, out);
    const ctx = this.#enter("ropeForward");
    const norms = [this.#in(rope.queryNorm), this.#in(rope.keyNorm)] as const;
    const operands = [this.#in(qkv), ...norms, this.#in(rope.table), this.#in(positions), this.#out(out)] as const;
    this.#leave(this.#library.remora_rope_forward(ctx, ...operands, N, H, K, D, rope.rotary, DTYPE_CODES[dtype], rope.eps));
  }

  ropeBackward(
    rope: RopeOperand,
    heads: HeadShape,
    qkv: Operand | null,
    positions: Operand,
    dOut: Operand,
    dQkv: Operand,
    queryNormGradient: Operand | null,
    keyNormGradient: Operand | null,
  ): void {
    const { N, H, K, D, dtype } = ropeBackwardSizes(rope, heads, qkv, positions, dOut, dQkv, queryNormGradient, keyNormGradient);
    const ctx = this.#enter("ropeBackward");
    const norms = [this.#in(rope.queryNorm), this.#in(rope.keyNorm)] as const;
    const inputs = [this.#in(qkv), ...norms, this.#in(rope.table), this.#in(positions), this.#in(dOut)] as const;
    const outputs = [this.#out(dQkv), this.#out(queryNormGradient), this.#out(keyNormGradient)] as const;
    this.#leave(this.#library.remora_rope_backward(ctx, ...inputs, ...outputs, N, H, K, D, rope.rotary, DTYPE_CODES[dtype], rope.eps));
  }

  attentionForward(rule: AttentionRule, qkv: Operand, segmentStart: Operand, segmentEnd: Operand, out: Operand, lse: Operand | null): void {
    const { N, H, K, D, dtype } = attentionForwardSizes(rule, qkv, segmentStart, segmentEnd, out, lse);
    const ctx = this.#enter("attentionForward");
    const operands = [this.#in(qkv), this.#in(segmentStart), this.#in(segmentEnd), this.#out(out), this.#out(lse)] as const;
    const scalars = [rule.scale, rule.causal ? 1 : 0, rule.window, rule.softcap] as const;
    this.#leave(this.#library.remora_attention_forward(ctx, ...operands, N, H, K, D, DTYPE_CODES[dtype], ...scalars));
  }

  attentionBackward(
    rule: AttentionRule,
    qkv: Operand,
    segmentStart: Operand,
    segmentEnd: Operand,
    out: Operand,
    lse: Operand,
    dOut: Operand,
    dQkv: Operand,
  ): void {
    const { N, H, K, D, dtype } = attentionBackwardSizes(rule, qkv, segmentStart, segmentEnd, out, lse, dOut, dQkv);
    const ctx = this.#enter("attentionBackward");
    const inputs = [this.#in(qkv), this.#in(segmentStart), this.#in(segmentEnd), this.#in(out), this.#in(lse), this.#in(dOut)] as const;
    const scalars = [rule.scale, rule.causal ? 1 : 0, rule.window, rule.softcap] as const;
    this.#leave(this.#library.remora_attention_backward(ctx, ...inputs, this.#out(dQkv), N, H, K, D, DTYPE_CODES[dtype], ...scalars));
  }

  cacheWrite(heads: HeadShape, qkv: Operand, cache: PagedCacheOperand): void {
    const { N, H, K, D, dtype, pageSize, blocksPerSequence } = cacheSizes("cacheWrite", heads, qkv, cache);
    const ctx = this.#enter("cacheWrite");
    const inputs = [this.#in(qkv), this.#in(cache.sequences), this.#in(cache.positions), this.#in(cache.blockTable)] as const;
    const pages = [this.#out(cache.keyPages), this.#out(cache.valuePages)] as const;
    const call = this.#library.remora_cache_write;
    this.#leave(call(ctx, ...inputs, ...pages, N, H, K, D, pageSize, blocksPerSequence, DTYPE_CODES[dtype]));
  }

  attentionPaged(rule: AttentionRule, qkv: Operand, cache: PagedCacheOperand, out: Operand): void {
    const { N, H, K, D, dtype, pageSize, blocksPerSequence } = attentionPagedSizes(rule, qkv, cache, out);
    const ctx = this.#enter("attentionPaged");
    const inputs = [this.#in(qkv), this.#in(cache.sequences), this.#in(cache.positions), this.#in(cache.blockTable)] as const;
    const operands = [...inputs, this.#in(cache.keyPages), this.#in(cache.valuePages), this.#out(out)] as const;
    const sizes = [N, H, K, D, pageSize, blocksPerSequence] as const;
    const call = this.#library.remora_attention_paged;
    this.#leave(call(ctx, ...operands, ...sizes, DTYPE_CODES[dtype], rule.scale, rule.window, rule.softcap));
  }

  // ---- gated MLP ----
  gatedForward(gateUp: Operand, y: Operand, kind: GatedKind): void {
    const { N, F, dtype } = gatedForwardSizes(gateUp, y);
    const ctx = this.#enter("gatedForward");
    this.#leave(this.#library.remora_gated_forward(ctx, this.#in(gateUp), this.#out(y), N, F, DTYPE_CODES[dtype], kind === "silu" ? 0 : 1));
  }

  gatedBackward(gateUp: Operand, dY: Operand, dGateUp: Operand, kind: GatedKind): void {
    const { N, F, dtype } = gatedBackwardSizes(gateUp, dY, dGateUp);
    const ctx = this.#enter("gatedBackward");
    const operands = [this.#in(gateUp), this.#in(dY), this.#out(dGateUp)] as const;
    this.#leave(this.#library.remora_gated_backward(ctx, ...operands, N, F, DTYPE_CODES[dtype], kind === "silu" ? 0 : 1));
  }

  geluForward(x: Operand, y: Operand, kind: "erf" | "tanh"): void {
    const { count, dtype } = geluForwardSizes(x, y);
    const ctx = this.#enter("geluForward");
    this.#leave(this.#library.remora_gelu_forward(ctx, this.#in(x), this.#out(y), count, DTYPE_CODES[dtype], kind === "erf" ? 0 : 1));
  }

  // ---- embedding, head ----
  embeddingForward(table: WeightOperand, ids: Operand, y: Operand, scale: number): void {
    const ctx = this.#enter("embeddingForward");
    const weight = this.#structs.weight(this.#op, table);
    const { N, dtype } = embeddingForwardSizes(table, ids, y);
    this.#leave(this.#library.remora_embedding_forward(ctx, weight, this.#in(ids), this.#out(y), N, DTYPE_CODES[dtype], scale));
  }

  embeddingBackward(ids: Operand, dY: Operand, dTable: Operand, scale: number): void {
    const { N, C, rows, dtype } = embeddingBackwardSizes(ids, dY, dTable);
    const ctx = this.#enter("embeddingBackward");
    const operands = [this.#in(ids), this.#in(dY), this.#out(dTable)] as const;
    this.#leave(this.#library.remora_embedding_backward(ctx, ...operands, N, C, rows, DTYPE_CODES[dtype], scale));
  }

  headLoss(
    head: WeightOperand,
    h: Operand,
    targets: Operand,
    lossScale: Operand | null,
    rowLoss: Operand,
    dH: Operand | null,
    headGradient: Operand | null,
    rowTop1: Operand | null,
    options: { chunkRows: number; softcap: number },
  ): void {
    const ctx = this.#enter("headLoss");
    const weight = this.#structs.weight(this.#op, head);
    const { N, dtype } = headLossSizes(head, h, targets, lossScale, rowLoss, dH, headGradient, rowTop1, options.chunkRows);
    const inputs = [this.#in(h), weight, this.#in(targets), this.#in(lossScale)] as const;
    const outputs = [this.#out(rowLoss), this.#out(dH), this.#out(headGradient), this.#out(rowTop1)] as const;
    const call = this.#library.remora_head_loss;
    this.#leave(call(ctx, ...inputs, ...outputs, N, DTYPE_CODES[dtype], options.chunkRows, options.softcap));
  }

  // ---- optimizer ----
  gradientNorm(gradients: Operand, norm: Operand, maxNorm: number): void {
    const { count } = gradientNormSizes(gradients, norm);
    const ctx = this.#enter("gradientNorm");
    this.#leave(this.#library.remora_gradient_norm(ctx, this.#in(gradients), this.#out(norm), count, maxNorm));
  }

  scaleLoss(scaling: Operand, factor: Operand, lossScale: Operand): void {
    scaleLossSizes(scaling, factor, lossScale);
    this.#enter("scaleLoss");
    this.#writeFloats(lossScale, [this.#readFloats(factor)[0]! * this.#readFloats(scaling)[0]!]);
    this.#leave(0);
  }

  updateLossScale(norm: Operand, scaling: Operand, options: { maxNorm: number; growthInterval: number }): void {
    updateLossScaleSizes(norm, scaling);
    this.#enter("updateLossScale");
    const next = nextLossScale(this.#readFloats(norm)[0]!, [...this.#readFloats(scaling)], options);
    this.#writeFloats(norm, next.norm);
    this.#writeFloats(scaling, next.scaling);
    this.#leave(0);
  }

  adamw(state: AdamWOperand): void {
    const { count, eightBit, outDType } = adamwSizes(state);
    if (this.#readFloats(state.clip)[0]! < 0) return;
    const ctx = this.#enter("adamw");
    const inputs = [this.#in(state.gradients), this.#in(state.hyper), this.#in(state.clip)] as const;
    const moments = [this.#out(state.params), this.#out(state.m), this.#out(state.v)] as const;
    const last = [this.#out(state.weightsOut), count, DTYPE_CODES[outDType]] as const;
    if (eightBit) {
      const scales = [this.#out(state.mScales), this.#out(state.vScales)] as const;
      this.#leave(this.#library.remora_adamw_8bit(ctx, ...inputs, ...moments, ...scales, ...last));
    } else {
      this.#leave(this.#library.remora_adamw(ctx, ...inputs, ...moments, ...last));
    }
  }

  // ---- number formats ----
  nf4Encode(x: Operand, codes: Operand, absmax: Operand): void {
    const { count, dtype } = nf4EncodeSizes(x, codes, absmax);
    const ctx = this.#enter("nf4Encode");
    this.#leave(this.#library.remora_nf4_encode(ctx, this.#in(x), this.#out(codes), this.#out(absmax), count, DTYPE_CODES[dtype]));
  }

  nf4Nest(absmax: Operand, nestedCode: Operand, scaleCodes: Operand, nested: Operand, offset: Operand): void {
    const { blocks } = nf4NestSizes(absmax, nestedCode, scaleCodes, nested, offset);
    const ctx = this.#enter("nf4Nest");
    const outputs = [this.#out(scaleCodes), this.#out(nested), this.#out(offset)] as const;
    this.#leave(this.#library.remora_nf4_nest(ctx, this.#in(absmax), this.#in(nestedCode), ...outputs, blocks));
  }

  fp8Encode(x: Operand, codes: Operand, scales: Operand): void {
    const { rows, cols, dtype } = fp8EncodeSizes(x, codes, scales);
    const ctx = this.#enter("fp8Encode");
    const call = this.#library.remora_fp8_encode;
    this.#leave(call(ctx, this.#in(x), this.#out(codes), this.#out(scales), rows, cols, DTYPE_CODES[dtype]));
  }

  weightDecode(weight: WeightOperand, out: Operand, row: number, rowCount: number): void {
    const ctx = this.#enter("weightDecode");
    const bytes = this.#structs.weight(this.#op, weight);
    const { dtype } = weightDecodeSizes(weight, out, row, rowCount);
    this.#leave(this.#library.remora_weight_decode(ctx, bytes, this.#out(out), row, rowCount, DTYPE_CODES[dtype]));
  }

  ggufEncode(x: Operand, blocks: Operand, format: GgufBlockFormat): void {
    const { count, dtype } = ggufEncodeSizes(x, blocks, format);
    const ctx = this.#enter("ggufEncode");
    this.#leave(this.#library.remora_gguf_encode(ctx, this.#in(x), this.#out(blocks), count, FORMAT_CODES[format], DTYPE_CODES[dtype]));
  }

  mergeRows(weight: WeightOperand, lora: LoraOperand | null, out: Operand, row: number, rowCount: number): void {
    const ctx = this.#enter("mergeRows");
    const bytes = this.#structs.weight(this.#op, weight);
    const { rank, dtype } = mergeRowsSizes(weight, lora, row, rowCount, { out });
    const inputs = [bytes, this.#in(lora?.a), this.#in(lora?.b)] as const;
    const call = this.#library.remora_merge_rows;
    this.#leave(call(ctx, ...inputs, this.#out(out), row, rowCount, rank, DTYPE_CODES[dtype], lora?.scale ?? 0));
  }

  mergeRowsNf4(
    weight: WeightOperand,
    lora: LoraOperand | null,
    dtype: ActivationDType,
    codes: Operand,
    absmax: Operand,
    row: number,
    rowCount: number,
  ): void {
    const ctx = this.#enter("mergeRowsNf4");
    const bytes = this.#structs.weight(this.#op, weight);
    const { rank } = mergeRowsSizes(weight, lora, row, rowCount, { dtype, codes, absmax });
    const operands = [bytes, this.#in(lora?.a), this.#in(lora?.b), this.#out(codes), this.#out(absmax)] as const;
    this.#leave(this.#library.remora_merge_rows_nf4(ctx, ...operands, row, rowCount, rank, DTYPE_CODES[dtype], lora?.scale ?? 0));
  }

  // ---- sampling ----
  sample(logits: Operand, controls: SamplingOperand, ids: Operand, logprobs: Operand): void {
    const { B, V, stride } = sampleSizes(logits, controls, ids, logprobs);
    const ctx = this.#enter("sample");
    const rows = [this.#in(controls.params), this.#in(controls.seeds), this.#in(controls.steps)] as const;
    const history = [this.#in(controls.history), this.#in(controls.historyLength)] as const;
    const outputs = [this.#out(ids), this.#out(logprobs)] as const;
    this.#leave(this.#library.remora_sample(ctx, this.#in(logits), ...rows, ...history, ...outputs, B, V, stride));
  }

  // ---- around every op ----
  #enter(op: string): bigint {
    this.#op = op;
    return this.#context.enter(op);
  }
  #enterTransfer(op: string): void {
    this.#op = op;
    this.#context.enterTransfer(op);
  }
  #leave(status: number): void {
    this.#context.leave(this.#op, status);
  }
  #in(operand: Operand): bigint;
  #in(operand: Operand | null | undefined): bigint | null;
  #in(operand: Operand | null | undefined): bigint | null {
    return operand ? readable(this.#op, operand) : null;
  }
  #out(operand: Operand): bigint;
  #out(operand: Operand | null | undefined): bigint | null;
  #out(operand: Operand | null | undefined): bigint | null {
    return operand ? writable(this.#op, operand) : null;
  }
}

function describeDevice({ isa, threads }: NativeContext): DeviceDescription {
  const reference = isa === "reference";
  return {
    kind: reference ? "reference" : "cpu",
    name: reference ? "reference" : "cpu",
    model: cpus()[0]?.model.trim() ?? "unknown processor",
    architecture: isa,
    threads,
    memoryBytes: usableMemory(),
    // Read anew each time: other programs take and give memory.
    get freeMemoryBytes() {
      return freeMemory();
    },
    fp8: "emulated",
    activationDTypes: isa === "avx512-bf16" ? ["bf16", "f32", "f16"] : ["f32", "bf16", "f16"],
  };
}
