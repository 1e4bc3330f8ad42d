/**
 * What a device must do for remora: one readable interface.
 *
 * The contract
 * - There is no global device: everything above receives a `Backend`.
 * - Device memory is an opaque handle (`DeviceMemory`); an `Operand` is a typed, shaped window onto it.
 * - Ops enqueue and return at once (the CPU has finished by then); only `download` and `synchronize` wait, and they are promises.
 * - Values that vary by step (learning rate, seeds, segment bounds, loss scale) are operands in device memory, never numbers, so that a
 *   captured step can be replayed.
 * - Every op first reads the cancel flag and throws `CancelledError` when it is set: cancelling is honoured within one op.
 * - Parameter gradients are added to; activation gradients are written.
 *
 * The exact semantics of each op (formula, shapes, dtypes, aliasing) stand once, in `kernels/include/remora.h`, under the same name.
 */

/** Element types of activations, gradients and index arrays. */
export type DType = "f32" | "bf16" | "f16" | "i32" | "u8" | "u64";
/** Element types that activations may have. */
export type ActivationDType = "f32" | "bf16" | "f16";
/**
 * How a weight matrix is stored: dense, NF4, E4M3, or a GGUF block format with the file's own bytes. E4M3 is also how it is multiplied: linears
 * round their other operand to E4M3 as well, so that a card makes the product in 8 bits (remora.h at remora_linear_forward).
 */
export type WeightFormat = "f32" | "bf16" | "f16" | "nf4" | "e4m3" | "q8_0" | "q4_0" | "q4_1" | "q5_0" | "q5_1" | "q4_k" | "q5_k" | "q6_k";

/** Those of GGUF files: blocks of 32 or 256 along a row. */
export type GgufBlockFormat = Extract<WeightFormat, `q${string}`>;

/** Memory on a device. Opaque: only the backend that made it can look inside. */
export interface DeviceMemory {
  readonly bytes: number;
  /** What it holds, for error messages and memory tables. */
  readonly label: string;
}

/** A typed, shaped, contiguous window onto device memory. `Tensor` is one. */
export interface Operand {
  readonly memory: DeviceMemory;
  readonly byteOffset: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** What it holds, for error messages. @default the memory's label */
  readonly label?: string;
}

/** A weight matrix [rows, cols]; for a linear layer [Out, In]. */
export interface WeightOperand {
  readonly format: WeightFormat;
  readonly rows: number;
  readonly cols: number;
  /** Dense elements, NF4 or E4M3 codes, or GGUF blocks. */
  readonly data: Operand;
  /** NF4: f32 absmax, or u8 codes when `nested` is given; one per 64 elements. E4M3: f32, a power of two for each row. */
  readonly scales?: Operand;
  /** NF4 double quantization. */
  readonly nested?: { readonly scales: Operand; readonly code: Operand; readonly offset: number };
  /** Name in the checkpoint, for errors: `model.layers.0.mlp.down_proj`. */
  readonly path: string;
}

/** LoRA operands of one linear: `scale · (x Aᵀ) Bᵀ`, which is `scale · B A` added to its weight. */
export interface LoraOperand {
  readonly a: Operand; // [R, In] f32
  readonly b: Operand; // [Out, R] f32
  readonly aGradient?: Operand;
  readonly bGradient?: Operand;
  readonly rank: number;
  readonly scale: number;
}

/** A group of linears that share their input, outputs side by side: q|k|v, gate|up, or a single matrix. */
export interface LinearOperand {
  readonly parts: readonly { readonly weight: WeightOperand; readonly lora?: LoraOperand }[];
  readonly bias?: Operand; // [ΣOut] f32
  /** LoRA dropout probability; 0 is off. */
  readonly dropout: number;
  /** u64 [1], needed when dropout > 0. */
  readonly seed?: Operand;
}

/** What `linearStep` does around a group. */
export interface LinearSurroundings {
  readonly norm?: Operand;
  readonly eps?: number;
  readonly residual?: Operand;
  readonly gate?: GatedKind;
  /** The group that will run next: its first weights may be fetched meanwhile. */
  readonly next?: LinearOperand;
}

/** Sizes of an attention layer. */
export interface HeadShape {
  /** H: query heads. */
  readonly heads: number;
  /** K: key/value heads. */
  readonly keyValueHeads: number;
  /** D: head size. */
  readonly headDim: number;
}

/** How scores are made and masked. */
export interface AttentionRule extends HeadShape {
  /** Multiplies q·k. */
  readonly scale: number;
  readonly causal: boolean;
  /** Sliding window in tokens; 0 is unlimited. */
  readonly window: number;
  /** 0 is off. */
  readonly softcap: number;
}

/** The paged KV cache of one layer, with what maps rows to slots. */
export interface PagedCacheOperand {
  readonly keyPages: Operand; // [pages, pageSize, K, D]
  readonly valuePages: Operand;
  readonly blockTable: Operand; // i32 [B, blocksPerSequence]
  readonly sequences: Operand; // i32 [N], < 0 is padding
  readonly positions: Operand; // i32 [N]
  readonly pageSize: number;
}

/** Rotary position: `table` [positions, rotary/2, 2] f32, optional RMS norm of q and k heads first. */
export interface RopeOperand {
  readonly table: Operand;
  readonly rotary: number;
  readonly queryNorm?: Operand; // [D] f32
  readonly keyNorm?: Operand; // [D] f32
  readonly eps: number;
}

/** One layer of a decoder whose parts are joined in the plain way: m = h + o(attention(qkv(norm(h)))), then m + down(gate · up) of norm(m). */
export interface LayerOperand {
  readonly attentionNorm: Operand; // f32 [C]
  readonly queryKeyValue: LinearOperand;
  readonly rope: RopeOperand;
  readonly rule: AttentionRule;
  readonly cache: PagedCacheOperand;
  readonly attentionOutput: LinearOperand;
  readonly mlpNorm: Operand; // f32 [C]
  readonly gateUp: LinearOperand;
  readonly down: LinearOperand;
}

/** What may be given for time, where the device leaves a choice. */
export interface DeviceTuning {
  /** Memory: quantized weights stay decoded. */
  readonly keepDecoded: boolean;
  /** Memory: rows of logits at once; 0 for as few as asked for. */
  readonly headRows: number;
  /** Equal bits from run to run. */
  readonly deterministic: boolean;
}

/** What is known about a device. */
export interface DeviceDescription {
  readonly kind: "cpu" | "cuda" | "reference";
  /** As a user types it: `cpu`, `cuda:0`. */
  readonly name: string;
  /** As a person calls it: processor or card. */
  readonly model: string;
  /** `avx512-bf16`, `sm_90` … */
  readonly architecture: string;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  /** Activation dtypes that are fast here, best first. */
  readonly activationDTypes: readonly ActivationDType[];
  /** Products with E4M3 weights: made by 8-bit tensor cores, emulated (right and slow), or not at all, and why. */
  readonly fp8: "native" | "emulated" | { readonly missing: string };
}

export type GatedKind = "silu" | "gelu-tanh";

/** A recorded sequence of ops that can run again with the same operands. */
export interface CapturedWork {
  replay(): void;
  release(): void;
}

export interface Backend {
  readonly device: DeviceDescription;

  // ---- memory ----
  /** @throws OutOfMemoryError */
  allocate(bytes: number, label: string): DeviceMemory;
  release(memory: DeviceMemory): void;
  /**
   * Memory of the host that ops read and write over the bus: for what is used rarely or a few rows at a time. Absent where the device has no memory
   * of its own. Not counted in `allocatedBytes`.
   * @throws OutOfMemoryError
   */
  allocateHost?(bytes: number, label: string): DeviceMemory;
  /** Bytes of a file as device memory: mapped in place on the CPU, streamed on a GPU. Released like any other memory. */
  loadFile(path: string, byteOffset: number, bytes: number, label: string): DeviceMemory;
  /**
   * Advice on bytes of a mapped file: they are read soon, so that the disk may start, or were read for the last time, so that they need not stay.
   * Absent where files are not mapped.
   */
  adviseFile?(part: Operand, advice: "soon" | "done"): void;
  /** Copies from host; `source` may be reused at once. */
  upload(target: Operand, source: Uint8Array): void;
  download(source: Operand): Promise<Uint8Array>;
  /** The bytes themselves where device memory is this process's own, valid until it is released. Absent on GPUs. */
  hostBytes?(memory: DeviceMemory): Uint8Array;
  /** Waits for everything enqueued. */
  synchronize(): Promise<void>;
  readonly allocatedBytes: number;
  readonly peakBytes: number;
  resetPeak(): void;
  /** Records what `run` enqueues and returns a way to run it again; the first run happens too. On the CPU a replay calls `run`. */
  capture(run: () => void): CapturedWork;
  tune?(options: DeviceTuning): void;
  /** Runs ops that must not be torn apart (an optimizer's update) without reading the cancel flag. */
  uninterrupted<T>(run: () => T): T;
  dispose(): void;
  /** Sustained multiply-add rate by arithmetic alone, in FLOP/s, where the device can say; takes about `seconds`. */
  measurePeak?(dtype: "f32" | "bf16", seconds: number): number;

  // ---- elementwise ----
  copy(source: Operand, target: Operand): void;
  zero(target: Operand): void;
  convert(source: Operand, target: Operand): void;
  /** y += scale · x */
  add(x: Operand, y: Operand, scale: number): void;
  sum(x: Operand, out: Operand): void;
  random(x: Operand, seed: bigint, bound: number, distribution: "uniform" | "normal"): void;
  gatherRows(x: Operand, rows: Operand, out: Operand): void;

  // ---- norms ----
  // `reader`, here, at the gate and in the backward of rope: the linear whose forward (or backward) reads y (or the gradient) in the very next op. A hint: the device may
  // write it in the form that linear wants as well.
  rmsNormForward(
    x: Operand,
    residual: Operand | null,
    weight: Operand,
    sum: Operand | null,
    y: Operand,
    rstd: Operand | null,
    eps: number,
    reader?: LinearOperand,
  ): void;
  rmsNormBackward(
    s: Operand,
    weight: Operand,
    rstd: Operand,
    dY: Operand,
    dResidual: Operand | null,
    dSum: Operand,
    weightGradient: Operand | null,
    reader?: LinearOperand,
  ): void;
  rmsNormApply(s: Operand, weight: Operand, rstd: Operand, y: Operand): void;
  layerNormForward(x: Operand, residual: Operand | null, weight: Operand, bias: Operand, y: Operand, eps: number): void;

  // ---- linear ----
  linearForward(linear: LinearOperand, x: Operand, y: Operand, xa: Operand | null): void;
  /**
   * y = linear(norm(x)) + residual, or gate(first part) · second part: what one step of asking needs between two attentions, in one launch each.
   * norm f32 [In] stands for an RMS norm with `eps`; residual is like y. Nothing between x and y is rounded. Absent where launches cost little.
   * @returns false, with nothing enqueued, when it is not for these weights, adapters or rows
   * @throws ShapeError when y or the residual do not fit
   */
  linearStep?(linear: LinearOperand, x: Operand, y: Operand, around: LinearSurroundings): boolean;
  /**
   * What reads dY: dX = dY W + db A through the mask, db = dY (scale·B) of all parts side by side; given xa, also B gradients += scale · dYᵀ xa.
   * One op, so that a device may read dY, which is large, once for both db and B gradients.
   */
  linearBackwardInput(linear: LinearOperand, dY: Operand, dX: Operand | null, db: Operand | null, xa?: Operand | null): void;
  /** A gradients += dbᵀ drop(x). */
  loraBackwardA(linear: LinearOperand, x: Operand, db: Operand): void;
  /** dW += dYᵀ x for the columns [column, column + Out) of dY, where [Out, In] is the shape of dW. */
  linearBackwardWeight(x: Operand, dY: Operand, dW: Operand, dBias: Operand | null, column: number): void;

  // ---- attention ----
  ropeForward(rope: RopeOperand, heads: HeadShape, qkv: Operand, positions: Operand, out: Operand): void;
  ropeBackward(
    rope: RopeOperand,
    heads: HeadShape,
    qkv: Operand | null,
    positions: Operand,
    dOut: Operand,
    dQkv: Operand,
    queryNormGradient: Operand | null,
    keyNormGradient: Operand | null,
    reader?: LinearOperand,
  ): void;
  attentionForward(rule: AttentionRule, qkv: Operand, segmentStart: Operand, segmentEnd: Operand, out: Operand, lse: Operand | null): void;
  attentionBackward(
    rule: AttentionRule,
    qkv: Operand,
    segmentStart: Operand,
    segmentEnd: Operand,
    out: Operand,
    lse: Operand,
    dOut: Operand,
    dQkv: Operand,
  ): void;
  cacheWrite(heads: HeadShape, qkv: Operand, cache: PagedCacheOperand): void;
  attentionPaged(rule: AttentionRule, qkv: Operand, cache: PagedCacheOperand, out: Operand): void;
  /**
   * `ropeForward` at the cache's positions, `cacheWrite` and `attentionPaged` in one launch, for one token of each of several sequences: no two rows of
   * the same sequence. qkv stays as it is. Absent where launches cost little.
   * @returns false, with nothing enqueued, when it is not for these heads
   */
  attentionStep?(rope: RopeOperand, rule: AttentionRule, qkv: Operand, cache: PagedCacheOperand, out: Operand): boolean;

  /**
   * All layers for the one token of one sequence: `rmsNormForward`, `linearForward`, `ropeForward`, `cacheWrite`, `attentionPaged`, `gatedForward` and
   * the additions, layer after layer, in one launch. x, y act [1, C], not the same. Rounded where rows are stored: q|k|v, what was attended, m, the
   * gate's product, h. Absent where launches cost little.
   * @returns false, with nothing enqueued, when it is not for these layers or this row
   */
  layersStep?(layers: readonly LayerOperand[], x: Operand, y: Operand, options: { eps: number; activation: GatedKind }): boolean;

  // ---- gated MLP ----
  gatedForward(gateUp: Operand, y: Operand, kind: GatedKind, reader?: LinearOperand): void;
  gatedBackward(gateUp: Operand, dY: Operand, dGateUp: Operand, kind: GatedKind, reader?: LinearOperand): void;
  geluForward(x: Operand, y: Operand, kind: "erf" | "tanh"): void;

  // ---- embedding, head ----
  embeddingForward(table: WeightOperand, ids: Operand, y: Operand, scale: number): void;
  embeddingBackward(ids: Operand, dY: Operand, dTable: Operand, scale: number): void;
  /**
   * y = x headᵀ, f32 [N, V] of x [N, C] in 16 bits: what `linearForward` makes of x converted to f32, but for the order of its sums. Absent where that
   * costs little.
   * @returns false, with nothing enqueued, when it is not for this head or so few rows
   */
  logits?(head: WeightOperand, x: Operand, y: Operand): boolean;
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
  ): void;

  // ---- optimizer ----
  gradientNorm(gradients: Operand, norm: Operand, maxNorm: number): void;
  /** A negative clip factor leaves everything as it is. */
  adamw(state: AdamWOperand): void;
  /**
   * Loss scaling for f16 (arXiv:1710.03740). `scaling`, f32 [4]: the scale, good steps in a row, steps skipped so far, the scale of the step
   * that is over (negative when it was skipped).
   *
   *   lossScale = factor · scale
   */
  scaleLoss(scaling: Operand, factor: Operand, lossScale: Operand): void;
  /**
   * After `gradientNorm` of scaled gradients. Finite: `norm` becomes that of the real gradients and the factor that unscales and clips them; after
   * `growthInterval` good steps in a row the scale doubles, up to 2^24. Not finite: the factor becomes −1 and the scale halves, down to 1.
   */
  updateLossScale(norm: Operand, scaling: Operand, options: { maxNorm: number; growthInterval: number }): void;

  // ---- number formats ----
  nf4Encode(x: Operand, codes: Operand, absmax: Operand): void;
  nf4Nest(absmax: Operand, nestedCode: Operand, scaleCodes: Operand, nested: Operand, offset: Operand): void;
  /** Dense rows, f32 or bf16 [rows, cols] → E4M3 codes u8 [rows, cols] and a power-of-two scale f32 [rows] for each. */
  fp8Encode(x: Operand, codes: Operand, scales: Operand): void;
  weightDecode(weight: WeightOperand, out: Operand, row: number, rowCount: number): void;
  /**
   * Dense values → GGUF blocks, u8. Absent on GPUs: files are written by the CPU.
   * @throws ShapeError when x is not a whole number of blocks
   */
  ggufEncode?(x: Operand, blocks: Operand, format: GgufBlockFormat): void;
  /** Rows [row, row + rowCount) of `W + scale · B A` to `out` [rowCount, cols]; `lora` null: of W. Absent on GPUs, as is `mergeRowsNf4`. */
  mergeRows?(weight: WeightOperand, lora: LoraOperand | null, out: Operand, row: number, rowCount: number): void;
  /** The same rows rounded to `dtype` and encoded: codes u8 [rowCount · cols / 2], absmax f32 [rowCount · cols / 64]. */
  mergeRowsNf4?(
    weight: WeightOperand,
    lora: LoraOperand | null,
    dtype: ActivationDType,
    codes: Operand,
    absmax: Operand,
    row: number,
    rowCount: number,
  ): void;

  // ---- sampling ----
  sample(logits: Operand, controls: SamplingOperand, ids: Operand, logprobs: Operand): void;
}

export interface AdamWOperand {
  readonly gradients: Operand;
  /** f32 [8]: learning rate, β1, β2, ε, weight decay, 1−β1ᵗ, 1−β2ᵗ, unused. */
  readonly hyper: Operand;
  /** f32 [1]: factor on the gradients. */
  readonly clip: Operand;
  readonly params: Operand;
  /** f32, or u8 codes together with the scales. */
  readonly m: Operand;
  readonly v: Operand;
  readonly mScales?: Operand;
  readonly vScales?: Operand;
  /** Copy of params in the compute dtype. */
  readonly weightsOut?: Operand;
}

export interface SamplingOperand {
  readonly params: Operand; // f32 [B, 5]
  readonly seeds: Operand; // u64 [B]
  readonly steps: Operand; // i32 [B]
  readonly history: Operand; // i32 [B, stride]
  readonly historyLength: Operand; // i32 [B]
}
