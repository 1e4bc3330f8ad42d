/** All trained weights as files: a Hugging Face folder, f32 in checkpoints (an exact resume needs every bit), bf16 as a run's result. */
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError } from "../errors/checkpoint-error.ts";
import { writeFileAtomically } from "../formats/atomic-file.ts";
import { readTensorBytes } from "../formats/file-bytes.ts";
import { readSafetensors } from "../formats/safetensors-reader.ts";
import { writeSafetensors } from "../formats/safetensors-writer.ts";
import { decoderParameters } from "../models/decoder-parameters.ts";
import { decodeWeights } from "../quant/decode.ts";
import { f32ToBf16 } from "../quant/half-floats.ts";
import { elementCount } from "../tensor/shape.ts";
import type { TrainedWeights } from "./checkpoint.ts";
import type { FullModel } from "./full-weights.ts";

/** What belongs beside the weights; copied when it is there. */
const COMPANIONS = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "generation_config.json",
  "chat_template.jinja",
  "added_tokens.json",
];

export interface ModelNotes {
  /** config.json of the result. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The base's folder, whose tokenizer files go along. */
  readonly companionsFrom: string;
  readonly dtype: "F32" | "BF16";
}

export function modelWeights(full: FullModel, notes: ModelNotes): TrainedWeights {
  const { shape, backend } = full.model;
  const offset = (role: string) => (role === "norm" ? shape.normWeightOffset : 0);
  return {
    async save(folder) {
      const entries = decoderParameters(shape).map(({ path, role, shape: size }) => ({
        name: path,
        dtype: notes.dtype,
        shape: size,
        async read() {
          const bytes = await backend.download(full.params.array(path));
          const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
          if (offset(role) !== 0) for (let i = 0; i < values.length; i++) values[i]! -= offset(role);
          if (notes.dtype === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
          return new Uint8Array(f32ToBf16(values).buffer);
        },
      }));
      await writeSafetensors(join(folder, "model.safetensors"), entries);
      const config = { ...notes.config, torch_dtype: notes.dtype === "F32" ? "float32" : "bfloat16" };
      await writeFileAtomically(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
      for (const name of COMPANIONS) {
        const from = join(notes.companionsFrom, name);
        if (existsSync(from)) copyFileSync(from, join(folder, name));
      }
    },
    async load(folder) {
      const { tensors } = readSafetensors(join(folder, "model.safetensors"));
      for (const { path, role, shape: size } of decoderParameters(shape)) {
        const view = tensors.get(path);
        if (view?.dtype !== "F32") throw new CheckpointError(folder, `model.safetensors has no f32 ${path}`);
        const values = decodeWeights("f32", readTensorBytes(view), elementCount(size));
        if (offset(role) !== 0) for (let i = 0; i < values.length; i++) values[i]! += offset(role);
        backend.upload(full.params.array(path), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      }
    },
  };
}
