/**
 * The CPU as a `Backend`: each op checks its operands, passes their addresses to the kernel of the same name in remora.h, and turns a refusal
 * into an error. Here is the table of ops; each stands in `ops/`, one file a family, as one call (`native-call.ts`). A call blocks until the
 * kernel has finished; that is why the engine lives in a worker.
 *
 * The reference backend is this class over the library's `reference` kernels. What ops mean stands in remora.h; what shapes they accept in
 * `../shapes/`; how memory is counted and guarded in `memory-pool.ts` and `cpu-memory.ts`.
 */
import { cpus } from "node:os";
import type {
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
import type { NativeLibrary } from "./bindings.generated.ts";
import { cpuMemory, readable, writable } from "./cpu-memory.ts";
import { freeMemory, usableMemory } from "./free-memory.ts";
import { MemoryPool } from "./memory-pool.ts";
import { NativeCall } from "./native-call.ts";
import { DTYPE_CODES } from "./native-codes.ts";
import type { NativeContext, OpTime } from "./native-context.ts";
import { viewBytes } from "./native-library.ts";
import * as activations from "./ops/activations.ts";
import * as attention from "./ops/attention.ts";
import * as elementwise from "./ops/elementwise.ts";
import * as embedding from "./ops/embedding.ts";
import { headLoss } from "./ops/head-loss.ts";
import * as linear from "./ops/linear.ts";
import * as merge from "./ops/merge.ts";
import * as norms from "./ops/norms.ts";
import * as numbers from "./ops/numbers.ts";
import * as optimizer from "./ops/optimizer.ts";
import * as paged from "./ops/paged.ts";
import * as rope from "./ops/rope.ts";
import { sample } from "./ops/sampling.ts";
import * as transfers from "./ops/transfers.ts";

export class CpuBackend implements Backend {
  readonly device: DeviceDescription;
  readonly #library: NativeLibrary;
  readonly #context: NativeContext;
  readonly #memory: MemoryPool;
  readonly #call: NativeCall;
  readonly #onDispose: (() => void) | undefined;

  constructor(library: NativeLibrary, context: NativeContext, onDispose?: () => void) {
    this.#onDispose = onDispose;
    this.#library = library;
    this.#context = context;
    this.#call = new NativeCall(library, context);
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
    transfers.upload(this.#call, target, source);
  }
  async download(source: Operand): Promise<Uint8Array> {
    const result = new Uint8Array(operandBytes(source));
    transfers.download(this.#call, source, result);
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

  uninterrupted<T>(run: () => T): T {
    return this.#context.uninterrupted(run);
  }
  measurePeak(dtype: "f32" | "bf16", seconds: number): number {
    const ctx = this.#call.enter("measurePeak");
    const gflops = new Float64Array(1);
    this.#call.leave(this.#library.remora_measure_peak(ctx, gflops, DTYPE_CODES[dtype], seconds));
    return gflops[0]! * 1e9;
  }

  /** Releases everything this backend allocated or mapped, and its threads. Safe to call twice. */
  dispose(): void {
    if (!this.#context.destroyed) this.#onDispose?.();
    this.#memory.releaseAll();
    this.#context.destroy();
  }

  // ---- elementwise ----
  copy(source: Operand, target: Operand): void {
    elementwise.copy(this.#call, source, target);
  }
  zero(target: Operand): void {
    elementwise.zero(this.#call, target);
  }
  convert(source: Operand, target: Operand): void {
    elementwise.convert(this.#call, source, target);
  }
  add(x: Operand, y: Operand, scale: number): void {
    elementwise.add(this.#call, x, y, scale);
  }
  sum(x: Operand, out: Operand): void {
    elementwise.sum(this.#call, x, out);
  }
  random(x: Operand, seed: bigint, bound: number, distribution: "uniform" | "normal"): void {
    elementwise.random(this.#call, x, seed, bound, distribution);
  }
  gatherRows(x: Operand, rows: Operand, out: Operand): void {
    elementwise.gatherRows(this.#call, x, rows, out);
  }

  // ---- norms ----
  // A linear that reads what these write (`reader`) rounds it itself here.
  rmsNormForward(...[x, residual, weight, sum, y, rstd, eps]: Parameters<Backend["rmsNormForward"]>): void {
    norms.rmsNormForward(this.#call, x, residual, weight, sum, y, rstd, eps);
  }
  rmsNormBackward(...[s, weight, rstd, dY, dResidual, dSum, weightGradient]: Parameters<Backend["rmsNormBackward"]>): void {
    norms.rmsNormBackward(this.#call, s, weight, rstd, dY, dResidual, dSum, weightGradient);
  }
  rmsNormApply(s: Operand, weight: Operand, rstd: Operand, y: Operand): void {
    norms.rmsNormApply(this.#call, s, weight, rstd, y);
  }
  layerNormForward(x: Operand, residual: Operand | null, weight: Operand, bias: Operand, y: Operand, eps: number): void {
    norms.layerNormForward(this.#call, x, residual, weight, bias, y, eps);
  }

  // ---- linear ----
  linearForward(group: LinearOperand, x: Operand, y: Operand, xa: Operand | null): void {
    linear.linearForward(this.#call, group, x, y, xa);
  }
  linearBackwardInput(group: LinearOperand, dY: Operand, dX: Operand | null, db: Operand | null, xa: Operand | null = null): void {
    linear.linearBackwardInput(this.#call, group, dY, dX, db, xa);
  }
  loraBackwardA(group: LinearOperand, x: Operand, db: Operand): void {
    linear.loraBackwardA(this.#call, group, x, db);
  }
  linearBackwardWeight(x: Operand, dY: Operand, dW: Operand, dBias: Operand | null, column: number): void {
    linear.linearBackwardWeight(this.#call, x, dY, dW, dBias, column);
  }

  // ---- attention ----
  ropeForward(operand: RopeOperand, heads: HeadShape, qkv: Operand, positions: Operand, out: Operand): void {
    rope.ropeForward(this.#call, operand, heads, qkv, positions, out);
  }
  ropeBackward(...[operand, heads, qkv, positions, dOut, dQkv, dQuery, dKey]: Parameters<Backend["ropeBackward"]>): void {
    rope.ropeBackward(this.#call, operand, heads, qkv, positions, dOut, dQkv, dQuery, dKey);
  }
  attentionForward(...args: Parameters<Backend["attentionForward"]>): void {
    attention.attentionForward(this.#call, ...args);
  }
  attentionBackward(...args: Parameters<Backend["attentionBackward"]>): void {
    attention.attentionBackward(this.#call, ...args);
  }
  cacheWrite(heads: HeadShape, qkv: Operand, cache: PagedCacheOperand): void {
    paged.cacheWrite(this.#call, heads, qkv, cache);
  }
  attentionPaged(rule: AttentionRule, qkv: Operand, cache: PagedCacheOperand, out: Operand): void {
    paged.attentionPaged(this.#call, rule, qkv, cache, out);
  }

  // ---- gated MLP ----
  gatedForward(gateUp: Operand, y: Operand, kind: GatedKind): void {
    activations.gatedForward(this.#call, gateUp, y, kind);
  }
  gatedBackward(gateUp: Operand, dY: Operand, dGateUp: Operand, kind: GatedKind): void {
    activations.gatedBackward(this.#call, gateUp, dY, dGateUp, kind);
  }
  geluForward(x: Operand, y: Operand, kind: "erf" | "tanh"): void {
    activations.geluForward(this.#call, x, y, kind);
  }

  // ---- embedding, head ----
  embeddingForward(table: WeightOperand, ids: Operand, y: Operand, scale: number): void {
    embedding.embeddingForward(this.#call, table, ids, y, scale);
  }
  embeddingBackward(ids: Operand, dY: Operand, dTable: Operand, scale: number): void {
    embedding.embeddingBackward(this.#call, ids, dY, dTable, scale);
  }
  headLoss(...args: Parameters<Backend["headLoss"]>): void {
    headLoss(this.#call, ...args);
  }

  // ---- optimizer ----
  gradientNorm(gradients: Operand, norm: Operand, maxNorm: number): void {
    optimizer.gradientNorm(this.#call, gradients, norm, maxNorm);
  }
  scaleLoss(scaling: Operand, factor: Operand, lossScale: Operand): void {
    optimizer.scaleLoss(this.#call, scaling, factor, lossScale);
  }
  updateLossScale(norm: Operand, scaling: Operand, options: { maxNorm: number; growthInterval: number }): void {
    optimizer.updateLossScale(this.#call, norm, scaling, options);
  }
  adamw(state: AdamWOperand): void {
    optimizer.adamw(this.#call, state);
  }

  // ---- number formats ----
  nf4Encode(x: Operand, codes: Operand, absmax: Operand): void {
    numbers.nf4Encode(this.#call, x, codes, absmax);
  }
  nf4Nest(absmax: Operand, nestedCode: Operand, scaleCodes: Operand, nested: Operand, offset: Operand): void {
    numbers.nf4Nest(this.#call, absmax, nestedCode, scaleCodes, nested, offset);
  }
  fp8Encode(x: Operand, codes: Operand, scales: Operand): void {
    numbers.fp8Encode(this.#call, x, codes, scales);
  }
  weightDecode(weight: WeightOperand, out: Operand, row: number, rowCount: number): void {
    numbers.weightDecode(this.#call, weight, out, row, rowCount);
  }
  ggufEncode(x: Operand, blocks: Operand, format: GgufBlockFormat): void {
    numbers.ggufEncode(this.#call, x, blocks, format);
  }
  mergeRows(weight: WeightOperand, lora: LoraOperand | null, out: Operand, row: number, rowCount: number): void {
    merge.mergeRows(this.#call, weight, lora, out, row, rowCount);
  }
  mergeRowsNf4(...args: Parameters<NonNullable<Backend["mergeRowsNf4"]>>): void {
    merge.mergeRowsNf4(this.#call, ...args);
  }

  // ---- sampling ----
  sample(logits: Operand, controls: SamplingOperand, ids: Operand, logprobs: Operand): void {
    sample(this.#call, logits, controls, ids, logprobs);
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
