/**
 * Everything that sets one decoder-only language model apart from another, as plain properties. A family (llama.ts, qwen.ts …) reads its
 * config.json into this table; the forward pass (decoder.ts), the parameter list, the loader and the memory plan read only the table,
 * never the family's name.
 */
import type { GatedKind } from "../backend/backend.ts";
import type { RopeSettings } from "../nn/rope-table.ts";

export interface DecoderShape {
  readonly modelType: string;
  readonly vocabularySize: number; // V
  readonly hiddenSize: number; // C
  readonly heads: number; // H
  readonly keyValueHeads: number; // K
  readonly headDim: number; // D
  readonly intermediateSize: number; // F
  readonly rmsNormEps: number;
  readonly maxPositions: number;
  /** One entry a layer. */
  readonly layers: readonly LayerShape[];
  /** The head shares the embedding's weights. */
  readonly tiedHead: boolean;
  /** Embedding rows are multiplied by this (Gemma: √C). */
  readonly embeddingScale: number;
  /** Stored norm weights are this much less than what multiplies (Gemma: 1). */
  readonly normWeightOffset: number;
  readonly activation: GatedKind;
  /** Multiplies q·k. */
  readonly attentionScale: number;
  /** 0 is off. */
  readonly attentionSoftcap: number;
  /** 0 is off. */
  readonly logitSoftcap: number;
  /** Which groups of linears have biases (Qwen2: q, k and v; Llama with `attention_bias`: o too). */
  readonly biases: Readonly<Record<LinearGroupName, boolean>>;
  /** q and k heads have an RMS norm of their own (Qwen3, Gemma 3). */
  readonly queryKeyNorm: boolean;
  /** Checkpoint holds q|k|v and gate|up as one matrix each (Phi-3). */
  readonly fusedProjections: boolean;
  /** Attention's and the MLP's outputs are normed before they join the residual stream (Gemma 2 and 3). */
  readonly sandwichNorms: boolean;
}

/** Linears that share an input. */
export type LinearGroupName = "queryKeyValue" | "attentionOutput" | "gateUp" | "down";

export interface LayerShape {
  /** Sliding window in tokens; 0 sees everything. */
  readonly window: number;
  readonly rope: RopeSettings;
}

/** A family of models: which `model_type`s it reads and how. */
export interface ModelFamily {
  readonly modelTypes: readonly string[];
  /** @throws ConfigValueError for a field that is missing or not supported */
  readShape(config: Readonly<Record<string, unknown>>): DecoderShape;
}
