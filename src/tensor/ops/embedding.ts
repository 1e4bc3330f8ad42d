/** Rows of the embedding table, scaled: `y[n] = scale · table[ids[n]]`. Backward adds into the table's gradient when it is trained. */
import type { DType } from "../../backend/backend.ts";
import type { MatrixParameter } from "../parameter.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** @param ids i32 [N], negative means a row of zeros  @returns act [N, C] */
export function embedding(tape: Tape, ids: Tensor, table: MatrixParameter, dtype: DType, scale: number): Tensor {
  const y = tape.allocate(dtype, [ids.shape[0]!, table.weight.cols], "embedding");
  tape.backend.embeddingForward(table.weight, ids, y, scale);
  if (!tape.needsGradient([], table.gradient !== undefined)) return y;

  const keptIds = tape.keep(ids);
  tape.record({
    name: table.path,
    inputs: [],
    outputs: [y],
    kept: [keptIds],
    backward([dY]) {
      if (dY && table.gradient) tape.backend.embeddingBackward(keptIds.get(), dY, table.gradient, scale);
      return [];
    },
  });
  return y;
}
