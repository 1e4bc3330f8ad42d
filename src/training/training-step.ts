/**
 * One optimizer step as device work alone: for each pass of the accumulation forward, loss, backward; then norm, clip, update, and gradients
 * back to zero. All that varies by step (tokens, loss scale, learning rate, dropout seeds) is copied into fixed buffers beforehand, so the
 * whole step can be captured once and replayed; nothing is read back until somebody asks for `results`.
 *
 * The loss is the mean over the trained tokens of the whole step, whatever the number of passes.
 */
import type { CapturedWork } from "../backend/backend.ts";
import type { Batch } from "../data/batch.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { attention } from "../tensor/ops/attention.ts";
import { type RecomputePolicy, Tape } from "../tensor/tape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { AdamW, type AdamWSettings } from "./adamw.ts";
import { DeviceBatch } from "./device-batch.ts";
import { DropoutSeeds } from "./dropout-seeds.ts";
import { LossScaling, type LossScalingSettings } from "./loss-scaling.ts";
import type { Trainables } from "./trainables.ts";

export interface StepSettings {
  /** Tokens of one pass, padding included: blocks × block length. */
  readonly tokensPerPass: number;
  readonly passes: number;
  readonly policy: RecomputePolicy;
  readonly maxGradNorm: number;
  readonly optimizer: AdamWSettings;
  readonly dropout: { readonly probability: number; readonly seed: number };
  /** For f16, whose small gradients would otherwise vanish. */
  readonly lossScaling?: LossScalingSettings;
}

export interface StepResults {
  /** Mean over the trained tokens, in nats. */
  readonly loss: number;
  /** Before clipping, of the real gradients. Not finite when the step was skipped. */
  readonly gradNorm: number;
  /** With loss scaling: what this step's loss was multiplied by, and whether its gradients overflowed, which changed nothing but the scale. */
  readonly lossScale?: number;
  readonly skipped?: boolean;
}

export class TrainingStep {
  readonly optimizers: readonly AdamW[];
  readonly #model: CausalLM;
  readonly #trainables: Trainables;
  readonly #settings: StepSettings;
  readonly #batches: readonly DeviceBatch[];
  readonly #lossScale: Tensor; // f32 [1]
  readonly #rowLoss: Tensor; // f32 [passes · N]
  readonly #lossSum: Tensor; // f32 [1]
  readonly #norm: Tensor; // f32 [2]: norm, clip factor
  readonly #dropout: DropoutSeeds | undefined;
  readonly #scaling: LossScaling | undefined;
  #captured: CapturedWork | undefined;
  #trainedTokens = 0;

  constructor(model: CausalLM, trainables: Trainables, settings: StepSettings) {
    const { arena } = model;
    const { tokensPerPass, passes } = settings;
    this.#model = model;
    this.#trainables = trainables;
    this.#settings = settings;
    this.optimizers = trainables.targets.map((target) => new AdamW(arena, target, settings.optimizer));
    this.#batches = Array.from({ length: passes }, () => new DeviceBatch(arena, tokensPerPass));
    this.#lossScale = Tensor.take(arena, "f32", [1], "loss scale");
    this.#rowLoss = Tensor.take(arena, "f32", [passes * tokensPerPass], "loss of each row");
    this.#lossSum = Tensor.take(arena, "f32", [1], "loss sum");
    this.#norm = Tensor.take(arena, "f32", [2], "gradient norm");
    const { probability, seed } = settings.dropout;
    this.#dropout = probability > 0 ? new DropoutSeeds(model, probability, seed, passes) : undefined;
    this.#scaling = settings.lossScaling ? new LossScaling(arena, settings.lossScaling) : undefined;
  }

  /** Everything besides the weights that an exact resume needs, by the names that checkpoints use. */
  get state(): ReadonlyMap<string, Tensor> {
    const tensors = this.optimizers.flatMap(({ target, state }) =>
      [...state].map(([name, tensor]): [string, Tensor] => [`${target.name}.${name}`, tensor]),
    );
    return new Map(this.#scaling ? [...tensors, ["loss_scaling", this.#scaling.state]] : tensors);
  }

  /**
   * @param batches one a pass
   * @param step counted from 1
   * @param update counted from 1: the steps so far that were not skipped, this one included
   */
  run(batches: readonly Batch[], step: number, learningRate: number, update = step): void {
    this.#trainedTokens = batches.reduce((sum, batch) => sum + batch.trainedTokens, 0);
    for (const [index, batch] of batches.entries()) this.#batches[index]!.upload(batch);
    const mean = this.#scaling?.factor ?? this.#lossScale;
    this.#model.backend.upload(mean, new Uint8Array(Float32Array.of(1 / Math.max(1, this.#trainedTokens)).buffer));
    this.#dropout?.prepare(step);
    for (const optimizer of this.optimizers) optimizer.prepare(update, learningRate);
    if (this.#captured) this.#captured.replay();
    else this.#captured = this.#model.backend.capture(() => this.#enqueue());
  }

  /** Of the last step. Waits for the device. */
  async results(): Promise<StepResults> {
    const [sum, norm] = await Promise.all([this.#read(this.#lossSum), this.#read(this.#norm)]);
    return { loss: sum / Math.max(1, this.#trainedTokens), gradNorm: norm, ...(await this.#scaling?.lastStep()) };
  }

  /** After a step that went wrong: the first trained tensor, or else the first row of the batch, that holds a number which is not finite. */
  async firstNotFinite(): Promise<string | undefined> {
    const { layout, params } = this.#trainables;
    for (const { name, offset, shape } of layout.entries) {
      const count = shape.reduce((product, size) => product * size, 1);
      if ((await this.#floats(params.view([count], offset))).some((value) => !Number.isFinite(value))) return name;
    }
    const row = (await this.#floats(this.#rowLoss)).findIndex((value) => !Number.isFinite(value));
    const { tokensPerPass } = this.#settings;
    return row < 0 ? undefined : `the logits of token ${row % tokensPerPass} of pass ${Math.floor(row / tokensPerPass) + 1}`;
  }

  async #floats(tensor: Tensor): Promise<Float32Array> {
    const bytes = await this.#model.backend.download(tensor);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  }

  release(): void {
    this.#captured?.release();
    for (const optimizer of this.optimizers) optimizer.release();
    for (const batch of this.#batches) batch.release();
    this.#dropout?.release();
    this.#scaling?.release();
    for (const tensor of [this.#lossScale, this.#rowLoss, this.#lossSum, this.#norm]) tensor.release("the end of training");
  }

  #enqueue(): void {
    const { backend } = this.#model;
    const { gradients } = this.#trainables;
    this.#scaling?.scale(this.#lossScale);
    for (const [index, batch] of this.#batches.entries()) this.#pass(index, batch);
    // A cancel between two of these would leave weights that belong to no step.
    backend.uninterrupted(() => {
      backend.sum(this.#rowLoss, this.#lossSum);
      backend.gradientNorm(gradients, this.#norm, this.#settings.maxGradNorm);
      this.#scaling?.update(this.#norm, this.#settings.maxGradNorm);
      const clip = this.#norm.view([1], 1, "clip factor");
      for (const optimizer of this.optimizers) optimizer.step(clip);
      backend.zero(gradients);
    });
  }

  #pass(index: number, batch: DeviceBatch): void {
    const { tokensPerPass, policy } = this.#settings;
    this.#dropout?.enqueue(index);
    const tape = new Tape(this.#model.arena, { recording: true, policy });
    try {
      tape.scope("a training pass", () => {
        const hidden = this.#model.forward(tape, batch.tokens, batch.positions, (on, _layer, qkv, rule) =>
          attention(on, qkv, batch.segments, rule),
        );
        const rowLoss = this.#rowLoss.view([tokensPerPass], index * tokensPerPass);
        this.#model.loss(tape, hidden, { targets: batch.targets, lossScale: this.#lossScale, rowLoss });
        tape.free(hidden);
        tape.backward();
        return [];
      });
    } finally {
      tape.discard();
    }
  }

  async #read(tensor: Tensor): Promise<number> {
    const bytes = await this.#model.backend.download(tensor);
    return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
  }
}
