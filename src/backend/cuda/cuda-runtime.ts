/**
 * One card while it is open: its context, stream, kernels, products, memory; and what happens around every op: the cancel flag is read before it,
 * driver errors carry its name, with profiling it is timed, in debug mode it is waited for.
 *
 * The ops themselves are plain functions over this class, one file a family.
 */
import process from "node:process";
import { CancelledError } from "../../errors/cancelled-error.ts";
import { KernelError } from "../../errors/kernel-error.ts";
import { ReleasedMemoryError } from "../../errors/released-memory-error.ts";
import type { ActivationDType, DeviceMemory, Operand } from "../backend.ts";
import { CublasLt, type CublasLtLibrary, WORKSPACE_BYTES } from "./cublaslt.ts";
import { cudaMemory, readable, writable } from "./cuda-memory.ts";
import type { CardFacts, Driver } from "./driver.ts";
import type { KernelImages } from "./find-images.ts";
import { HostMemory } from "./host-memory.ts";
import { type Grid, KernelModules } from "./kernel-modules.ts";
import type { ParameterValue } from "./kernel-table.ts";
import { CudaMemoryPool } from "./memory-pool.ts";
import { OpTimes } from "./op-times.ts";
import { outputType, type Product } from "./product.ts";
import { Scratch } from "./scratch.ts";
import { Staging } from "./staging.ts";
import { encodeTensorMap } from "./tensor-map.ts";

/** CU_STREAM_NON_BLOCKING: no implicit waiting on the legacy default stream. */
const NON_BLOCKING = 1;
/** Cards and drivers that take programmatic launches into a graph: sm_90 on, CUDA 12.3 on. */
const EARLY_STARTS = { major: 9, driver: 12030 } as const;
const UPLOAD_SLOTS = { count: 16, bytes: 2 * 2 ** 20 } as const;

/** Rows [N, C] at `address`, in E4M3 beside them: codes u8 [N, C], scales f32 [N]. `exponents`: as in `fp8-products.ts`. */
export interface RoundedRows {
  readonly address: number;
  readonly N: number;
  readonly C: number;
  readonly exponents: number;
  readonly codes: number;
  readonly scales: number;
  /** Number of the op that wrote them. */
  readonly madeBy: number;
}

export interface RuntimeOptions {
  readonly cancelFlag: Int32Array | undefined;
  readonly profile: boolean;
  /** Wait after each op. */
  readonly debug: boolean;
  /** Keep the decoded copies of quantized weights. Changed by `tune`. */
  keepDecoded: boolean;
  /** Rows of logits made at once when the caller asks for fewer: a card is not full with less. Changed by `tune`. */
  headRows: number;
  /** False: attention on Hopper may add gradients in no fixed order. Changed by `tune`. */
  deterministic: boolean;
}

/** The context that is current on this thread. */
let current = 0n;

export class CudaRuntime {
  readonly driver: Driver;
  readonly card: CardFacts;
  /** `cuda:0` */
  readonly name: string;
  readonly stream: bigint;
  readonly copyStream: bigint;
  readonly kernels: KernelModules;
  readonly blas: CublasLt;
  readonly memory: CudaMemoryPool;
  readonly hostMemory: HostMemory;
  readonly scratch: Scratch;
  readonly staging: Staging;
  readonly times: OpTimes | null;
  readonly options: RuntimeOptions;
  /** The op that runs. */
  op = "";
  /** True while a graph is recorded: nothing may wait, and nothing may come from the host. */
  capturing = false;
  /** Raised when memory may have changed without `writable`: a graph was replayed or recorded. */
  epoch = 0;
  /** Ops run so far: what one op leaves for the next is old after that. */
  opCount = 0;
  /** What the op before rounded for the one that runs. */
  rounded: RoundedRows | undefined;
  /** False once the library refused to add an E4M3 product to what is there. */
  addsFp8 = true;
  readonly #context: bigint;
  readonly #workspace: DeviceMemory;
  /** Whether kernels of a captured step may start before their predecessor has ended. REMORA_CUDA_PDL=0: never. */
  readonly #startsEarly: boolean;
  /** The counters that were set to 0. */
  #counters = { address: 0, bytes: 0 };
  /** The blocks that `prepared` has filled. */
  readonly #prepared = new Map<string, number>();
  #uninterrupted = false;
  #disposed = false;

  constructor(driver: Driver, card: CardFacts, images: KernelImages, library: CublasLtLibrary, options: RuntimeOptions) {
    this.driver = driver;
    this.card = card;
    this.name = `cuda:${card.ordinal}`;
    this.options = options;
    const able = card.major >= EARLY_STARTS.major && driver.version >= EARLY_STARTS.driver;
    this.#startsEarly = able && process.env.REMORA_CUDA_PDL !== "0";
    const out = new BigUint64Array(1);
    const { fn } = driver;
    driver.check("opening the card", fn.cuDevicePrimaryCtxRetain(out, driver.deviceHandle(card.ordinal)));
    this.#context = out[0]!;
    this.#makeCurrent();
    driver.check("opening the card", fn.cuStreamCreate(out, NON_BLOCKING));
    this.stream = out[0]!;
    driver.check("opening the card", fn.cuStreamCreate(out, NON_BLOCKING));
    this.copyStream = out[0]!;
    this.kernels = new KernelModules(driver, images);
    this.memory = new CudaMemoryPool(driver, this.name);
    this.hostMemory = new HostMemory(driver);
    this.scratch = new Scratch(this.memory);
    this.staging = new Staging(driver, UPLOAD_SLOTS.count, UPLOAD_SLOTS.bytes);
    this.#workspace = this.memory.allocate(WORKSPACE_BYTES, "cuBLASLt's workspace");
    this.blas = new CublasLt(library, cudaMemory("open", this.#workspace).address!);
    this.times = options.profile ? new OpTimes(driver, this.stream) : null;
  }

  // ---- around every op ----
  /** Runs `body` as the op of this name. */
  run<T>(op: string, body: () => T): T {
    if (this.options.cancelFlag !== undefined && !this.#uninterrupted && Atomics.load(this.options.cancelFlag, 0) !== 0)
      throw new CancelledError(`Running ${op}`);
    return this.transfer(op, body);
  }

  /** The same for moving bytes, which is allowed after cancelling: a cancelled run still writes its checkpoint. */
  transfer<T>(op: string, body: () => T): T {
    this.op = op;
    this.opCount++;
    if (this.#disposed) throw new ReleasedMemoryError(op, this.name, "was used after it was disposed");
    if (current !== this.#context) this.#makeCurrent();
    const timed = this.times !== null && !this.capturing;
    const start = timed ? this.times!.begin() : 0n;
    const result = body();
    if (timed) this.times!.end(op, start);
    if (this.options.debug && !this.capturing) this.wait(op);
    return result;
  }

  uninterrupted<T>(run: () => T): T {
    const before = this.#uninterrupted;
    this.#uninterrupted = true;
    try {
      return run();
    } finally {
      this.#uninterrupted = before;
    }
  }

  wait(op: string): void {
    this.driver.check(op, this.driver.fn.cuStreamSynchronize(this.stream));
  }

  // ---- what ops are made of ----
  /**
   * Kernels of a captured step that wait by themselves start early. Outside of one they do not: the host is slower than the card there, and what a
   * kernel reads before it waits (weights, old pages of the cache) may just have been written.
   */
  launch(kernel: string, grid: number | Grid, values: readonly ParameterValue[], shared = 0): void {
    const way = this.capturing && this.#startsEarly ? "early" : "plain";
    this.kernels.launch(this.op, this.stream, kernel, typeof grid === "number" ? { x: grid } : grid, values, shared, way);
  }

  /** A kernel whose blocks wait for each other: all of them are on the card at once, or none. */
  launchTogether(kernel: string, blocks: number, values: readonly ParameterValue[], shared: number): void {
    this.kernels.launch(this.op, this.stream, kernel, { x: blocks }, values, shared, "together");
  }

  /** Enqueues a product; one without rows or columns is nothing, one without inner size is zero. */
  multiply(product: Product): void {
    const { M, N, K, beta = 0, c } = product;
    if (M === 0 || N === 0) return;
    if (K > 0) this.blas.multiply(this.op, this.stream, product);
    else if (beta === 0) {
      const bytes = outputType(product) === "f32" ? 4 : 2;
      for (let row = 0; row < M; row++) this.zero(c.address + row * c.ld * bytes, N * bytes);
    }
  }

  tensorMap(dtype: "f16" | "bf16", address: number, columns: number, rows: number, boxColumns: number, boxRows: number): Uint8Array {
    return encodeTensorMap(this.driver, this.op, dtype, address, columns, rows, boxColumns, boxRows);
  }

  copy(target: number, source: number, bytes: number): void {
    if (bytes === 0 || target === source) return;
    const { fn } = this.driver;
    const overBus = this.hostMemory.covers(target) || this.hostMemory.covers(source);
    this.#check((overBus ? fn.cuMemcpyAsync : fn.cuMemcpyDtoDAsync_v2)(target, source, bytes, this.stream));
  }

  zero(target: number, bytes: number): void {
    this.fill(target, 0, bytes);
  }

  fill(target: number, byte: number, bytes: number): void {
    if (bytes > 0) this.#check(this.driver.fn.cuMemsetD8Async(target, byte, bytes, this.stream));
  }

  /** Copies bytes of the host to the card; they may be reused at once. Not while a graph is recorded: a replay would not see new ones. */
  sendBytes(target: number, source: Uint8Array): void {
    this.refuseWhileCapturing("copies from the host");
    this.staging.send(this.op, target, source.byteLength, this.stream, (slot, start) =>
      slot.set(source.subarray(start, start + slot.length)),
    );
  }

  /**
   * Address of `count` u32 that are 0 whenever a kernel starts: each kernel that counts in them leaves them so. Kernels of one stream share them.
   */
  counters(count: number): number {
    const address = this.scratch.take("counters", count * 4);
    const bytes = this.scratch.bytesOf("counters");
    if (this.#counters.address !== address || this.#counters.bytes !== bytes) {
      this.refuseWhileCapturing("makes its first counters");
      this.zero(address, bytes);
      this.#counters = { address, bytes };
    }
    return address;
  }

  /** Address of a block of its own for this purpose, always of the same size, that `fill` has filled once; what kernels leave in it stays. */
  prepared(purpose: string, bytes: number, fill: (address: number) => void): number {
    const address = this.scratch.take(purpose, bytes);
    if (this.#prepared.get(purpose) !== address) {
      this.refuseWhileCapturing(`prepares "${purpose}"`);
      fill(address);
      this.#prepared.set(purpose, address);
    }
    return address;
  }

  refuseWhileCapturing(what: string): void {
    if (this.capturing) {
      throw new KernelError(
        this.op,
        "UNSUPPORTED",
        `${what} while a step is captured; move it before the captured work, into a buffer that stays`,
      );
    }
  }

  in(operand: Operand): number {
    return readable(this.op, operand);
  }
  /** 0 for an operand that is not given. */
  optionalIn(operand: Operand | null | undefined): number {
    return operand ? readable(this.op, operand) : 0;
  }
  out(operand: Operand): number {
    return writable(this.op, operand);
  }
  optionalOut(operand: Operand | null | undefined): number {
    return operand ? writable(this.op, operand) : 0;
  }

  /** Activation dtypes of this card, best first. */
  get activationDTypes(): readonly ActivationDType[] {
    return this.card.major >= 8 ? ["bf16", "f16", "f32"] : ["f16", "f32"];
  }

  dispose(): void {
    if (this.#disposed) return;
    if (current !== this.#context) this.#makeCurrent();
    const { fn } = this.driver;
    fn.cuStreamSynchronize(this.stream);
    this.times?.release();
    this.staging.release();
    this.blas.release();
    this.memory.releaseAll();
    this.hostMemory.releaseAll();
    this.kernels.unload();
    fn.cuStreamDestroy_v2(this.stream);
    fn.cuStreamDestroy_v2(this.copyStream);
    fn.cuDevicePrimaryCtxRelease_v2(this.driver.deviceHandle(this.card.ordinal));
    current = 0n;
    this.#disposed = true;
  }

  #makeCurrent(): void {
    this.driver.check("opening the card", this.driver.fn.cuCtxSetCurrent(this.#context));
    current = this.#context;
  }

  #check(status: number): void {
    if (status !== 0) this.driver.check(this.op, status);
  }
}
