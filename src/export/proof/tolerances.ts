/** What a save must keep of what was learnt, by format. */
import type { SaveProof } from "../../config/reports.ts";

/** Least share retained, and for saves without an adapter (nothing learnt to measure by) the most mean KL in nats. */
const TOLERANCES: Readonly<Record<string, readonly [retained: number, kl: number]>> = {
  adapter: [0.99, 0.001],
  "16bit": [0.99, 0.01],
  f32: [0.99, 0.001],
  f16: [0.99, 0.01],
  bf16: [0.99, 0.01],
  q8_0: [0.97, 0.02],
  q6_k: [0.95, 0.05],
  q5_k_m: [0.85, 0.1],
  q5_1: [0.85, 0.1],
  q5_0: [0.85, 0.1],
  q4_k_m: [0.8, 0.2],
  nf4: [0.8, 0.2],
  q4_0: [0.7, 0.3],
};

/** @param name `16bit`, `nf4`, `adapter`, or a GGUF type */
export function toleranceOf(name: string, hasLearnt: boolean): SaveProof["required"] {
  const [retained, kl] = TOLERANCES[name]!;
  return hasLearnt ? { measure: "retained", value: retained } : { measure: "kl", value: kl };
}

export function holds(required: SaveProof["required"], { kl, retained }: { kl: number; retained: number | null }): boolean {
  return required.measure === "retained" ? (retained ?? 1) >= required.value : kl <= required.value;
}
