/** Held-out loss: the mean over all trained tokens of the given batches, forward only, no dropout. */
import type { Batch } from "../data/batch.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { attention } from "../tensor/ops/attention.ts";
import { Tape } from "../tensor/tape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { DeviceBatch } from "./device-batch.ts";

export interface Evaluation {
  /** Mean over the scored tokens, in nats. */
  readonly loss: number;
  /** exp(loss) */
  readonly perplexity: number;
  readonly tokens: number;
}

/** @param batches all of equal size */
export async function evaluate(model: CausalLM, batches: Iterable<Batch>): Promise<Evaluation> {
  const { arena, backend } = model;
  let device: DeviceBatch | undefined;
  let rowLoss: Tensor | undefined;
  const lossSum = Tensor.take(arena, "f32", [1], "loss sum");
  let total = 0;
  let tokens = 0;
  try {
    for (const batch of batches) {
      device ??= new DeviceBatch(arena, batch.tokens.length);
      rowLoss ??= Tensor.take(arena, "f32", [batch.tokens.length], "loss of each row");
      device.upload(batch);
      scoreBatch(model, device, rowLoss);
      backend.sum(rowLoss, lossSum);
      const bytes = await backend.download(lossSum);
      total += new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
      tokens += batch.trainedTokens;
    }
  } finally {
    device?.release();
    rowLoss?.release("the end of evaluation");
    lossSum.release("the end of evaluation");
  }
  const loss = tokens > 0 ? total / tokens : Number.NaN;
  return { loss, perplexity: Math.exp(loss), tokens };
}

/** Writes the loss of each row, f32 [N]. */
function scoreBatch(model: CausalLM, batch: DeviceBatch, rowLoss: Tensor, rowTop1?: Tensor): void {
  const tape = new Tape(model.arena, { recording: false });
  tape.scope("evaluation", () => {
    const hidden = model.forward(tape, batch.tokens, batch.positions, (on, _layer, qkv, rule) => attention(on, qkv, batch.segments, rule));
    model.loss(tape, hidden, { targets: batch.targets, lossScale: null, rowLoss, rowTop1 });
    return [];
  });
}
