/**
 * The table of numbers of a BERT-type encoder, from the fields of its config.json: BERT (MiniLM, bge, e5) and XLM-RoBERTa (multilingual-e5, bge-m3).
 * The two differ in one thing: RoBERTa's positions start behind the padding id.
 */
import { ConfigValueError } from "../errors/config-value-error.ts";
import { UnknownModelError } from "../errors/unknown-model-error.ts";
import type { GeluKind } from "../tensor/ops/gelu.ts";
import { ConfigFields, type Fields } from "./config-fields.ts";

export interface EncoderShape {
  readonly vocabularySize: number; // V
  readonly hiddenSize: number; // C, and E of the vectors
  readonly feedForward: number; // F
  readonly layers: number;
  readonly heads: number; // H
  readonly headDim: number; // D
  readonly activation: GeluKind;
  readonly layerNormEps: number;
  /** Rows of the position table, and the row of a text's first token. */
  readonly positionRows: number;
  readonly firstPosition: number;
  /** Rows of the table of token types; a single text is type 0 throughout. 0: there is no such table. */
  readonly tokenTypes: number;
}

const WITH_POSITION_OFFSET: readonly string[] = ["xlm-roberta", "roberta", "camembert"];
const ENCODER_MODEL_TYPES: readonly string[] = ["bert", ...WITH_POSITION_OFFSET];

const ACTIVATIONS: Readonly<Record<string, GeluKind>> = {
  gelu: "erf",
  gelu_new: "tanh",
  gelu_fast: "tanh",
  gelu_pytorch_tanh: "tanh",
};

/** @throws UnknownModelError for a model that is not an encoder · ConfigValueError */
export function readEncoderShape(config: Fields, where: string): EncoderShape {
  const modelType = typeof config.model_type === "string" ? config.model_type : undefined;
  if (modelType === undefined || !ENCODER_MODEL_TYPES.includes(modelType))
    throw new UnknownModelError(where, modelType, ENCODER_MODEL_TYPES);
  const fields = new ConfigFields(config);
  fields.expect("position_embedding_type", ["absolute"]);
  fields.expect("is_decoder", [false]);
  const hiddenSize = fields.count("hidden_size");
  const heads = fields.count("num_attention_heads");
  if (hiddenSize % heads !== 0) throw new ConfigValueError("num_attention_heads", `a divisor of hidden_size ${hiddenSize}`, heads);
  const activation = ACTIVATIONS[String(config.hidden_act ?? "gelu")];
  if (!activation) throw new ConfigValueError("hidden_act", Object.keys(ACTIVATIONS).join(" or "), config.hidden_act);
  return {
    vocabularySize: fields.count("vocab_size"),
    hiddenSize,
    feedForward: fields.count("intermediate_size"),
    layers: fields.count("num_hidden_layers"),
    heads,
    headDim: hiddenSize / heads,
    activation,
    layerNormEps: fields.number("layer_norm_eps", 1e-12),
    positionRows: fields.count("max_position_embeddings", 512),
    firstPosition: WITH_POSITION_OFFSET.includes(modelType) ? fields.number("pad_token_id", 1) + 1 : 0,
    tokenTypes: fields.count("type_vocab_size", 2),
  };
}
