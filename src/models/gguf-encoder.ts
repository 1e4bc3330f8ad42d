/**
 * An encoder in a GGUF file (`general.architecture` bert, which XLM-RoBERTa's files use too): parameters by Hugging Face name, shape from metadata.
 *
 * Two things differ from a folder. Position tables are stored without the rows in front of the first position, so positions start at 0. And no
 * field says which GELU: the files are of models with the exact one. Source: `convert_hf_to_gguf.py` and `tensor_mapping.py` of llama.cpp.
 */
import { counted } from "../errors/counted.ts";
import { UnknownModelError } from "../errors/unknown-model-error.ts";
import { readGguf } from "../formats/gguf-reader.ts";
import type { EncoderShape } from "./encoder-shape.ts";
import { GgufFields } from "./gguf-fields.ts";
import { GGUF_WEIGHT_FORMATS } from "./gguf-model.ts";
import type { EncoderSource, Pooling } from "./stored-encoder.ts";
import type { StoredTensor } from "./stored-weights.ts";

/** `%.pooling_type` of llama.cpp. */
const POOLING: Readonly<Record<number, Pooling>> = { 1: "mean", 2: "cls" };

const NAMES: Readonly<Record<string, string>> = {
  token_embd: "embeddings.word_embeddings",
  position_embd: "embeddings.position_embeddings",
  token_types: "embeddings.token_type_embeddings",
  token_embd_norm: "embeddings.LayerNorm",
};
const LAYER_NAMES: Readonly<Record<string, string>> = {
  attn_q: "attention.self.query",
  attn_k: "attention.self.key",
  attn_v: "attention.self.value",
  attn_output: "attention.output.dense",
  attn_output_norm: "attention.output.LayerNorm",
  ffn_up: "intermediate.dense",
  ffn_down: "output.dense",
  layer_output_norm: "output.LayerNorm",
};

/** @throws FileFormatError · UnknownModelError */
export function openGgufEncoder(path: string): Omit<EncoderSource, "prefixes"> & { name: string | undefined } {
  const file = readGguf(path);
  const architecture = file.metadata.get("general.architecture");
  if (architecture !== "bert") throw new UnknownModelError(path, typeof architecture === "string" ? architecture : undefined, ["bert"]);
  const fields = new GgufFields(file, architecture);
  const tensors = new Map<string, StoredTensor>();
  for (const view of file.tensors.values()) {
    const name = huggingFaceName(view.name);
    if (name === undefined) continue; // heads for classification and masked words
    const format = GGUF_WEIGHT_FORMATS[view.dtype];
    if (!format)
      return fields.fail(
        `tensor ${view.name}`,
        `a type of ${Object.keys(GGUF_WEIGHT_FORMATS).join(", ")}`,
        view.dtype,
        "Use the file in another quantization.",
      );
    const { byteOffset, byteLength, shape } = view;
    tensors.set(name, { name, path: view.path, byteOffset, byteLength, format, shape, storedOffset: 0 });
  }
  const rowsOf = (name: string) => tensors.get(name)?.shape[0] ?? 0;
  const hiddenSize = fields.requiredCount("%.embedding_length");
  const heads = fields.requiredCount("%.attention.head_count");
  if (hiddenSize % heads !== 0) fields.fail(fields.key("%.attention.head_count"), `a divisor of ${hiddenSize}`, `${heads}`);
  const layers = fields.requiredCount("%.block_count");
  if (layers > file.tensors.size)
    fields.fail(fields.key("%.block_count"), `no more layers than the ${counted(file.tensors.size, "tensor")} of the file`, `${layers}`);
  const shape: EncoderShape = {
    vocabularySize: rowsOf("embeddings.word_embeddings.weight"),
    hiddenSize,
    feedForward: fields.requiredCount("%.feed_forward_length"),
    layers,
    heads,
    headDim: hiddenSize / heads,
    activation: "erf",
    layerNormEps: fields.number("%.attention.layer_norm_epsilon") ?? 1e-12,
    positionRows: rowsOf("embeddings.position_embeddings.weight"),
    firstPosition: 0,
    tokenTypes: rowsOf("embeddings.token_type_embeddings.weight"),
  };
  return {
    path,
    name: fields.text("general.name"),
    shape,
    pooling: POOLING[fields.number("%.pooling_type") ?? 1] ?? "mean",
    maxTokens: Math.min(shape.positionRows, fields.count("%.context_length") ?? shape.positionRows),
    tokenizerSource: { kind: "gguf", path, metadata: file.metadata },
    tensor: (name) => tensors.get(name),
  };
}

function huggingFaceName(name: string): string | undefined {
  const layer = /^blk\.(\d{1,6})\.([a-z_]+)\.(weight|bias)$/.exec(name);
  if (layer) {
    const part = Object.hasOwn(LAYER_NAMES, layer[2]!) ? LAYER_NAMES[layer[2]!] : undefined;
    return part && `encoder.layer.${Number(layer[1])}.${part}.${layer[3]}`;
  }
  const model = /^([a-z_]+)\.(weight|bias)$/.exec(name);
  const part = model && Object.hasOwn(NAMES, model[1]!) ? NAMES[model[1]!] : undefined;
  return part && `${part}.${model![2]}`;
}
