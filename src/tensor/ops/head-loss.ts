/**
 * The head and cross-entropy in one op, in chunks of rows: the logits of all rows never exist together, and the gradient with respect to
 * the hidden rows is made in the forward, while each chunk's probabilities are at hand.
 *
 *   logits = h Wᵀ     row_loss[n] = logsumexp(logits[n]) − logits[n, target[n]]     (0 where target < 0)
 */
import type { MatrixParameter } from "../parameter.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

export interface HeadLossInput {
  readonly targets: Tensor; // i32 [N], < 0 is not trained
  /** f32 [1] in device memory: what each row's loss counts in the gradient, 1 / trained tokens of the step. Unused in evaluation. */
  readonly lossScale: Tensor | null;
  /** Receives the loss of each row, f32 [N]. */
  readonly rowLoss: Tensor;
  /** Receives each trained row's most likely token, i32 [N]. */
  readonly rowTop1?: Tensor;
}

export interface HeadOptions {
  /** Rows of logits that exist at once. */
  readonly chunkRows: number;
  readonly softcap: number;
}

/** @param h act [N, C]. Losses are written to `input.rowLoss`; when recording, this is the root that backward starts from. */
export function headLoss(tape: Tape, h: Tensor, head: MatrixParameter, input: HeadLossInput, options: HeadOptions): void {
  const needsGradient = tape.needsGradient([h], head.gradient !== undefined);
  const dH = needsGradient ? tape.allocate(h.dtype, h.shape, "gradient of the last hidden rows") : null;
  tape.backend.headLoss(
    head.weight,
    h,
    input.targets,
    needsGradient ? input.lossScale : null,
    input.rowLoss,
    dH,
    needsGradient ? (head.gradient ?? null) : null,
    input.rowTop1 ?? null,
    options,
  );
  if (!dH) return;
  const kept = tape.keep(dH);
  tape.record({ name: head.path, inputs: [h], outputs: [], kept: [kept], isRoot: true, backward: () => [kept.get()] });
}
