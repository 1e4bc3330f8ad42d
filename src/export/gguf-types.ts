/**
 * Which type each tensor of a GGUF save gets. The names ending in `_m` are mixtures: llama.cpp gives some tensors that matter more a larger type.
 * The rules are its quantizer's, without an importance matrix, so that our files and its own differ in nothing but who wrote them.
 *
 * Source: `llama-quant.cpp` of llama.cpp (tensor type selection and fallbacks), restated; compared tensor by tensor in bench/parity.
 */
import type { GgmlType } from "../formats/ggml-types.ts";
import type { GgufArchitecture } from "../models/gguf-names.ts";

const GGUF_SAVE_TYPES = ["f32", "f16", "bf16", "q8_0", "q4_0", "q5_0", "q5_1", "q4_k_m", "q5_k_m", "q6_k"] as const;
export type GgufSaveType = (typeof GGUF_SAVE_TYPES)[number];

/** The type of most tensors, and `general.file_type`. */
export const GGUF_SAVE_FACTS: Readonly<Record<GgufSaveType, { readonly type: GgmlType; readonly fileType: number }>> = {
  f32: { type: "F32", fileType: 0 },
  f16: { type: "F16", fileType: 1 },
  bf16: { type: "BF16", fileType: 32 },
  q8_0: { type: "Q8_0", fileType: 7 },
  q4_0: { type: "Q4_0", fileType: 2 },
  q5_0: { type: "Q5_0", fileType: 8 },
  q5_1: { type: "Q5_1", fileType: 9 },
  q4_k_m: { type: "Q4_K", fileType: 15 },
  q5_k_m: { type: "Q5_K", fileType: 17 },
  q6_k: { type: "Q6_K", fileType: 18 },
};

/** For rows that are not whole blocks of 256. */
const FALLBACKS: Partial<Record<GgmlType, GgmlType>> = { Q4_K: "Q5_0", Q5_K: "Q5_1", Q6_K: "Q8_0" };
const BLOCK: Partial<Record<GgmlType, number>> = { Q8_0: 32, Q4_0: 32, Q5_0: 32, Q5_1: 32, Q4_K: 256, Q5_K: 256, Q6_K: 256 };
/** Llama 2 and 3 70B: eight query heads share a value head, so its matrix is small and worth more bits. */
const LAYERS_OF_70B = 80;

export interface GgufTensorPlace {
  /** GGUF name: `blk.0.attn_v.weight`. */
  readonly name: string;
  /** Length of a row. */
  readonly cols: number;
  readonly architecture: GgufArchitecture;
  readonly layers: number;
  readonly tiedHead: boolean;
}

/** The type of a matrix. Vectors are always F32. */
export function ggufTensorType(save: GgufSaveType, place: GgufTensorPlace): GgmlType {
  const wanted = wantedType(save, place);
  const fits = (type: GgmlType) => place.cols % (BLOCK[type] ?? 1) === 0;
  if (fits(wanted)) return wanted;
  const fallback = FALLBACKS[wanted];
  return fallback && fits(fallback) ? fallback : "F16";
}

function wantedType(save: GgufSaveType, place: GgufTensorPlace): GgmlType {
  const { type } = GGUF_SAVE_FACTS[save];
  if (BLOCK[type] === undefined || type === "Q8_0") return type;
  const { name, layers, tiedHead, architecture } = place;
  // What makes the logits: the head, or the embedding in its place.
  if (name === "output.weight" || (tiedHead && name === "token_embd.weight")) return place.cols % BLOCK[type]! === 0 ? "Q6_K" : "Q8_0";
  const mixed = save === "q4_k_m" || save === "q5_k_m";
  const match = /^blk\.(\d+)\.(\w+)\.weight$/.exec(name);
  if (!mixed || !match) return type;
  const layer = Number(match[1]);
  switch (match[2]) {
    // Phi-3's q, k and v in one matrix count as v.
    case "attn_v":
    case "attn_qkv":
      if (matters(layer, layers)) return "Q6_K";
      return save === "q4_k_m" && architecture === "llama" && layers === LAYERS_OF_70B ? "Q5_K" : type;
    case "ffn_down":
      return matters(layer, layers) ? "Q6_K" : type;
    default:
      return type;
  }
}

/** The first and last eighth of the layers and every third between. */
function matters(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}
