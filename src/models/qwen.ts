/**
 * Qwen 2, 2.5 and 3.
 *
 * Unusual: Qwen2 has biases on q, k and v; Qwen3 has none but norms each q and k head. `sliding_window` counts only when
 * `use_sliding_window` is true, and then only from layer `max_window_layers` on (or by `layer_types`).
 * Checked against Transformers 5.17 (models/qwen2, models/qwen3): logits and every gradient, fixtures/data/models/qwen*.
 */
import { ConfigFields } from "./config-fields.ts";
import type { DecoderShape, ModelFamily } from "./decoder-shape.ts";
import { readPlainDecoder } from "./llama.ts";

export const qwen: ModelFamily = {
  modelTypes: ["qwen2", "qwen3"],
  readShape(config): DecoderShape {
    const fields = new ConfigFields(config);
    const plain = readPlainDecoder(config);
    const isQwen3 = config.model_type === "qwen3";
    const window = fields.boolean("use_sliding_window", false) ? (fields.optionalNumber("sliding_window") ?? 0) : 0;
    const firstWindowed = fields.optionalNumber("max_window_layers") ?? plain.layers.length;
    const kinds = fields.strings("layer_types");
    const isWindowed = (layer: number) => (kinds ? kinds[layer] === "sliding_attention" : layer >= firstWindowed);
    return {
      ...plain,
      layers: plain.layers.map((layer, index) => ({ ...layer, window: isWindowed(index) ? window : 0 })),
      biases: isQwen3 ? plain.biases : { ...plain.biases, queryKeyValue: true },
      queryKeyNorm: isQwen3,
    };
  },
};
