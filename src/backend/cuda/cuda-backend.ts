/**
 * One NVIDIA card as a `Backend`. Each op checks its operands and enqueues kernels and products on one stream; nothing waits but `download` and
 * `synchronize`. What ops mean stands in remora.h; how each is made of kernels stands in `ops/`, one file a family.
 *
 * Everything is found at run time: driver and cuBLASLt by `library-search.ts`, compiled kernels by `find-images.ts`.
 */
import process from "node:process";
import { DeviceError } from "../../errors/device-error.ts";
import { ShapeError } from "../../errors/shape-error.ts";
import type {
  AdamWOperand,
  AttentionRule,
  Backend,
  CapturedWork,
  DeviceDescription,
  DeviceMemory,
  DeviceTuning,
  GatedKind,
  HeadShape,
  LayerOperand,
  LinearOperand,
  LinearSurroundings,
  Operand,
  PagedCacheOperand,
  RopeOperand,
  SamplingOperand,
  WeightOperand,
} from "../backend.ts";
import type { OpTime } from "../cpu/native-context.ts";
import type { DeviceProbe } from "../device-probe.ts";
import { operandBytes } from "../element-types.ts";
import { CapturedStep } from "./captured-step.ts";
import { CudaMemory, noteIndices } from "./cuda-memory.ts";
import { CudaRuntime } from "./cuda-runtime.ts";
import { FileStream } from "./file-stream.ts";
import { fp8Support } from "./fp8-support.ts";
import * as activations from "./ops/activations.ts";
import * as attention from "./ops/attention.ts";
import { attentionStep } from "./ops/attention-step.ts";
import { ConstantTables } from "./ops/constant-tables.ts";
import * as elementwise from "./ops/elementwise.ts";
import * as embedding from "./ops/embedding.ts";
import { headLoss } from "./ops/head-loss.ts";
import { layersStep } from "./ops/layers-step.ts";
import * as linear from "./ops/linear.ts";
import { linearStep } from "./ops/linear-decode.ts";
import { LinearStates } from "./ops/linear-state.ts";
import { logits } from "./ops/logits.ts";
import * as norms from "./ops/norms.ts";
import * as numbers from "./ops/numbers.ts";
import * as optimizer from "./ops/optimizer.ts";
import * as paged from "./ops/paged.ts";
import * as rope from "./ops/rope.ts";
import { type CudaInstallation, findCuda, probeWith } from "./probe-cuda.ts";

/** Uploads of indices up to this size are looked through, so that an id beyond a table is an error. */
const CHECKED_INDEX_BYTES = 2 ** 20;

/** Cards from here on make at least this many rows of logits at once (0.8 GB at 131,072 words); REMORA_CUDA_HEAD_ROWS says otherwise. */
const LARGE_CARD = 40e9;
const LARGE_HEAD_ROWS = 1024;

export interface CudaBackendOptions {
  readonly cancelFlag?: Int32Array;
  /** @default true when `REMORA_PROFILE=1` */
  readonly profile?: boolean;
  /** Wait after each op, so that a fault names its op. @default true when `REMORA_CUDA_DEBUG=1` */
  readonly debug?: boolean;
  /** Keep quantized weights decoded once they were: faster steps for 2 bytes a weight. @default true when `REMORA_CUDA_KEEP_DECODED=1` */
  readonly keepDecoded?: boolean;
  /** Every sum in a fixed order. @default false when `REMORA_CUDA_DETERMINISTIC=0` */
  readonly deterministic?: boolean;
}

let installation: ReturnType<typeof findCuda> | undefined;

/** The cards of this machine. Looked for once a process. */
export function probeCuda(): readonly DeviceProbe[] {
  installation ??= findCuda();
  return probeWith(installation);
}

/** @throws DeviceError with the reason */
export function openCudaBackend(index: number, options: CudaBackendOptions = {}): CudaBackend {
  installation ??= findCuda();
  const probe = probeWith(installation).find((candidate) => candidate.name === `cuda:${index}` || !candidate.available);
  if (!probe) throw new DeviceError(`cuda:${index}`, "there is no such card");
  if (!probe.available) throw new DeviceError(`cuda:${index}`, probe.reason);
  return new CudaBackend(installation as CudaInstallation, index, options);
}

export class CudaBackend implements Backend {
  readonly device: DeviceDescription;
  readonly #cuda: CudaRuntime;
  readonly #files: FileStream;
  readonly #linears: LinearStates;
  readonly #tables: ConstantTables;

  constructor({ driver, images, library, cards }: CudaInstallation, index: number, options: CudaBackendOptions) {
    const card = cards[index];
    if (!card) throw new DeviceError(`cuda:${index}`, `there is no such card; found ${cards.length}`);
    const fromEnvironment = (name: string) => process.env[name] === "1";
    this.#cuda = new CudaRuntime(driver, card, images, library, {
      cancelFlag: options.cancelFlag,
      profile: options.profile ?? fromEnvironment("REMORA_PROFILE"),
      debug: options.debug ?? fromEnvironment("REMORA_CUDA_DEBUG"),
      keepDecoded: options.keepDecoded ?? fromEnvironment("REMORA_CUDA_KEEP_DECODED"),
      deterministic: options.deterministic ?? process.env.REMORA_CUDA_DETERMINISTIC !== "0",
      headRows: Number(process.env.REMORA_CUDA_HEAD_ROWS ?? (card.memoryBytes >= LARGE_CARD ? LARGE_HEAD_ROWS : 0)),
    });
    this.#files = new FileStream(this.#cuda);
    this.#linears = new LinearStates(this.#cuda);
    this.#tables = new ConstantTables(this.#cuda);
    this.device = describeCard(this.#cuda);
  }

  // ---- memory ----
  get allocatedBytes(): number {
    return this.#cuda.memory.allocatedBytes;
  }
  get peakBytes(): number {
    return this.#cuda.memory.peakBytes;
  }
  /** Bytes taken from the driver, blocks kept for reuse included. */
  get reservedBytes(): number {
    return this.#cuda.memory.reservedBytes;
  }
  /** Bytes that ops keep for their own scratch; part of `allocatedBytes`. */
  get scratchBytes(): number {
    return this.#cuda.scratch.bytes;
  }
  /** As the driver says it: 13000 is CUDA 13.0. */
  get driverVersion(): number {
    return this.#cuda.driver.version;
  }
  /** Calls and milliseconds by op, or null when the backend was opened without profiling. Waits for the card. */
  get opTimes(): ReadonlyMap<string, OpTime> | null {
    return this.#cuda.times?.read() ?? null;
  }
  resetOpTimes(): void {
    this.#cuda.times?.reset();
  }
  /** Product algorithm by shape: equal results need equal algorithms. */
  get productPlans(): ReadonlyMap<string, string> {
    return this.#cuda.blas.plans;
  }

  allocate(bytes: number, label: string): DeviceMemory {
    this.#cuda.op = "allocate";
    return this.#cuda.memory.allocate(bytes, label);
  }
  allocateHost(bytes: number, label: string): DeviceMemory {
    this.#cuda.op = "allocateHost";
    return this.#cuda.hostMemory.allocate(bytes, label);
  }
  release(memory: DeviceMemory): void {
    const { hostMemory } = this.#cuda;
    if (memory instanceof CudaMemory && memory.owner === hostMemory) hostMemory.release(memory);
    else this.#cuda.memory.release(memory);
  }
  loadFile(path: string, byteOffset: number, bytes: number, label: string): DeviceMemory {
    let memory: DeviceMemory | undefined;
    this.#cuda.run("loadFile", () => {
      this.#cuda.refuseWhileCapturing("loads a file");
      memory = this.#files.load(path, byteOffset, bytes, label);
    });
    return memory!;
  }
  resetPeak(): void {
    this.#cuda.memory.resetPeak();
  }

  upload(target: Operand, source: Uint8Array): void {
    this.#cuda.transfer("upload", () => {
      const name = target.label ?? target.memory.label;
      if (source.byteLength !== operandBytes(target)) {
        throw new ShapeError(`upload to "${name}"`, `${operandBytes(target)} bytes`, `${source.byteLength}`);
      }
      this.#cuda.refuseWhileCapturing(`uploads to "${name}"`);
      this.#cuda.sendBytes(this.#cuda.out(target), source);
      if (target.dtype === "i32" && source.byteLength <= CHECKED_INDEX_BYTES) noteIndices(target, source);
    });
  }

  async download(source: Operand): Promise<Uint8Array> {
    const result = new Uint8Array(operandBytes(source));
    this.#cuda.transfer("download", () => {
      this.#cuda.refuseWhileCapturing(`reads "${source.label ?? source.memory.label}" back`);
      this.#cuda.staging.receive("download", this.#cuda.in(source), result, this.#cuda.stream);
    });
    return result;
  }

  async synchronize(): Promise<void> {
    this.#cuda.transfer("synchronize", () => {
      this.#cuda.refuseWhileCapturing("waits");
      this.#cuda.wait("synchronize");
    });
  }

  capture(run: () => void): CapturedWork {
    return new CapturedStep(this.#cuda, run);
  }

  tune({ keepDecoded, headRows, deterministic }: DeviceTuning): void {
    this.#cuda.options.keepDecoded = keepDecoded;
    this.#cuda.options.headRows = headRows;
    this.#cuda.options.deterministic = deterministic;
  }

  uninterrupted<T>(run: () => T): T {
    return this.#cuda.uninterrupted(run);
  }

  /** Releases everything this backend allocated and its context. Safe to call twice. */
  dispose(): void {
    this.#files.release();
    this.#cuda.dispose();
  }

  // ---- elementwise ----
  copy(source: Operand, target: Operand): void {
    this.#cuda.run("copy", () => elementwise.copy(this.#cuda, source, target));
  }
  zero(target: Operand): void {
    this.#cuda.run("zero", () => elementwise.zero(this.#cuda, target));
  }
  convert(source: Operand, target: Operand): void {
    this.#cuda.run("convert", () => elementwise.convert(this.#cuda, source, target));
  }
  add(x: Operand, y: Operand, scale: number): void {
    this.#cuda.run("add", () => elementwise.add(this.#cuda, x, y, scale));
  }
  sum(x: Operand, out: Operand): void {
    this.#cuda.run("sum", () => elementwise.sum(this.#cuda, x, out));
  }
  random(x: Operand, seed: bigint, bound: number, distribution: "uniform" | "normal"): void {
    this.#cuda.run("random", () => elementwise.random(this.#cuda, x, seed, bound, distribution));
  }
  gatherRows(x: Operand, rows: Operand, out: Operand): void {
    this.#cuda.run("gatherRows", () => elementwise.gatherRows(this.#cuda, x, rows, out));
  }

  // ---- norms ----
  rmsNormForward(...args: Parameters<Backend["rmsNormForward"]>): void {
    this.#cuda.run("rmsNormForward", () => norms.rmsNormForward(this.#cuda, this.#linears, ...args));
  }
  rmsNormBackward(...args: Parameters<Backend["rmsNormBackward"]>): void {
    this.#cuda.run("rmsNormBackward", () => norms.rmsNormBackward(this.#cuda, this.#linears, ...args));
  }
  rmsNormApply(s: Operand, weight: Operand, rstd: Operand, y: Operand): void {
    this.#cuda.run("rmsNormApply", () => norms.rmsNormApply(this.#cuda, s, weight, rstd, y));
  }
  layerNormForward(...args: Parameters<Backend["layerNormForward"]>): void {
    this.#cuda.run("layerNormForward", () => norms.layerNormForward(this.#cuda, ...args));
  }

  // ---- linear ----
  linearForward(group: LinearOperand, x: Operand, y: Operand, xa: Operand | null): void {
    this.#cuda.run("linearForward", () => linear.linearForward(this.#cuda, this.#linears, group, x, y, xa));
  }
  linearStep(group: LinearOperand, x: Operand, y: Operand, around: LinearSurroundings): boolean {
    return this.#cuda.run("linearStep", () => linearStep(this.#cuda, this.#linears, group, x, y, around));
  }
  linearBackwardInput(group: LinearOperand, dY: Operand, dX: Operand | null, db: Operand | null, xa: Operand | null = null): void {
    this.#cuda.run("linearBackwardInput", () => linear.linearBackwardInput(this.#cuda, this.#linears, group, dY, dX, db, xa));
  }
  loraBackwardA(group: LinearOperand, x: Operand, db: Operand): void {
    this.#cuda.run("loraBackwardA", () => linear.loraBackwardA(this.#cuda, this.#linears, group, x, db));
  }
  linearBackwardWeight(x: Operand, dY: Operand, dW: Operand, dBias: Operand | null, column: number): void {
    this.#cuda.run("linearBackwardWeight", () => linear.linearBackwardWeight(this.#cuda, x, dY, dW, dBias, column));
  }

  // ---- attention ----
  ropeForward(operand: RopeOperand, heads: HeadShape, qkv: Operand, positions: Operand, out: Operand): void {
    this.#cuda.run("ropeForward", () => rope.ropeForward(this.#cuda, operand, heads, qkv, positions, out));
  }
  ropeBackward(...args: Parameters<Backend["ropeBackward"]>): void {
    this.#cuda.run("ropeBackward", () => rope.ropeBackward(this.#cuda, this.#linears, ...args));
  }
  attentionForward(...args: Parameters<Backend["attentionForward"]>): void {
    this.#cuda.run("attentionForward", () => attention.attentionForward(this.#cuda, ...args));
  }
  attentionBackward(...args: Parameters<Backend["attentionBackward"]>): void {
    this.#cuda.run("attentionBackward", () => attention.attentionBackward(this.#cuda, ...args));
  }
  cacheWrite(heads: HeadShape, qkv: Operand, cache: PagedCacheOperand): void {
    this.#cuda.run("cacheWrite", () => paged.cacheWrite(this.#cuda, heads, qkv, cache));
  }
  attentionPaged(rule: AttentionRule, qkv: Operand, cache: PagedCacheOperand, out: Operand): void {
    this.#cuda.run("attentionPaged", () => paged.attentionPaged(this.#cuda, rule, qkv, cache, out));
  }

  attentionStep(operand: RopeOperand, rule: AttentionRule, qkv: Operand, cache: PagedCacheOperand, out: Operand): boolean {
    return this.#cuda.run("attentionStep", () => attentionStep(this.#cuda, operand, rule, qkv, cache, out));
  }

  layersStep(layers: readonly LayerOperand[], x: Operand, y: Operand, options: { eps: number; activation: GatedKind }): boolean {
    return this.#cuda.run("layersStep", () => layersStep(this.#cuda, this.#linears, layers, x, y, options));
  }

  // ---- gated MLP ----
  gatedForward(...args: Parameters<Backend["gatedForward"]>): void {
    this.#cuda.run("gatedForward", () => activations.gatedForward(this.#cuda, this.#linears, ...args));
  }
  gatedBackward(...args: Parameters<Backend["gatedBackward"]>): void {
    this.#cuda.run("gatedBackward", () => activations.gatedBackward(this.#cuda, this.#linears, ...args));
  }
  geluForward(x: Operand, y: Operand, kind: "erf" | "tanh"): void {
    this.#cuda.run("geluForward", () => activations.geluForward(this.#cuda, x, y, kind));
  }

  // ---- embedding, head ----
  embeddingForward(table: WeightOperand, ids: Operand, y: Operand, scale: number): void {
    this.#cuda.run("embeddingForward", () => embedding.embeddingForward(this.#cuda, table, ids, y, scale));
  }
  embeddingBackward(ids: Operand, dY: Operand, dTable: Operand, scale: number): void {
    this.#cuda.run("embeddingBackward", () => embedding.embeddingBackward(this.#cuda, ids, dY, dTable, scale));
  }
  logits(head: WeightOperand, x: Operand, y: Operand): boolean {
    return this.#cuda.run("logits", () => logits(this.#cuda, head, x, y));
  }
  headLoss(...args: Parameters<Backend["headLoss"]>): void {
    this.#cuda.run("headLoss", () => headLoss(this.#cuda, ...args));
  }

  // ---- optimizer ----
  gradientNorm(gradients: Operand, norm: Operand, maxNorm: number): void {
    this.#cuda.run("gradientNorm", () => optimizer.gradientNorm(this.#cuda, gradients, norm, maxNorm));
  }
  scaleLoss(scaling: Operand, factor: Operand, lossScale: Operand): void {
    this.#cuda.run("scaleLoss", () => optimizer.scaleLoss(this.#cuda, scaling, factor, lossScale));
  }
  updateLossScale(...args: Parameters<Backend["updateLossScale"]>): void {
    this.#cuda.run("updateLossScale", () => optimizer.updateLossScale(this.#cuda, ...args));
  }
  adamw(state: AdamWOperand): void {
    this.#cuda.run("adamw", () => optimizer.adamw(this.#cuda, this.#tables, state));
  }

  // ---- number formats ----
  nf4Encode(x: Operand, codes: Operand, absmax: Operand): void {
    this.#cuda.run("nf4Encode", () => numbers.nf4Encode(this.#cuda, x, codes, absmax));
  }
  nf4Nest(absmax: Operand, nestedCode: Operand, scaleCodes: Operand, nested: Operand, offset: Operand): void {
    this.#cuda.run("nf4Nest", () => numbers.nf4Nest(this.#cuda, absmax, nestedCode, scaleCodes, nested, offset));
  }
  fp8Encode(x: Operand, codes: Operand, scales: Operand): void {
    this.#cuda.run("fp8Encode", () => numbers.fp8Encode(this.#cuda, x, codes, scales));
  }
  weightDecode(weight: WeightOperand, out: Operand, row: number, rowCount: number): void {
    this.#cuda.run("weightDecode", () => numbers.weightDecode(this.#cuda, weight, out, row, rowCount));
  }

  // ---- sampling ----
  sample(logits: Operand, controls: SamplingOperand, ids: Operand, logprobs: Operand): void {
    this.#cuda.run("sample", () => numbers.sample(this.#cuda, logits, controls, ids, logprobs));
  }
}

function describeCard(cuda: CudaRuntime): DeviceDescription {
  const { card } = cuda;
  return {
    kind: "cuda",
    name: cuda.name,
    model: card.model,
    architecture: `sm_${card.major}${card.minor}`,
    threads: card.multiprocessors,
    fp8: fp8Support(card, cuda.blas.library.version),
    memoryBytes: card.memoryBytes,
    // Read anew each time: other programs take and give memory.
    get freeMemoryBytes() {
      return cuda.memory.freeBytes();
    },
    activationDTypes: cuda.activationDTypes,
  };
}
