/** All trained weights as files: a Hugging Face folder, f32 in checkpoints (an exact resume needs every bit), bf16 as a run's result. */
import { join } from "node:path";
import { CheckpointError } from "../errors/checkpoint-error.ts";
import { readTensorBytes } from "../formats/file-bytes.ts";
import { readSafetensors } from "../formats/safetensors-reader.ts";
import { writeSafetensors } from "../formats/safetensors-writer.ts";
import { decoderParameters } from "../models/decoder-parameters.ts";
import { decodeWeights } from "../quant/decode.ts";
import { f32ToBf16 } from "../quant/half-floats.ts";
import { elementCount } from "../tensor/shape.ts";
import type { TrainedWeights } from "./checkpoint.ts";
import type { FullModel } from "./full-weights.ts";

/** Writes what stands beside the weights into a folder: config.json, tokenizer files. */
export type WriteCompanions = (folder: string) => Promise<void>;

export function modelWeights(full: FullModel, dtype: "F32" | "BF16", writeCompanions: WriteCompanions): TrainedWeights {
  const { shape, backend } = full.model;
  const offset = (role: string) => (role === "norm" ? shape.normWeightOffset : 0);
  return {
    async save(folder) {
      const entries = decoderParameters(shape).map(({ path, role, shape: size }) => ({
        name: path,
        dtype,
        shape: size,
        async read() {
          const bytes = await backend.download(full.params.array(path));
          const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
          if (offset(role) !== 0) for (let i = 0; i < values.length; i++) values[i]! -= offset(role);
          if (dtype === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
          return new Uint8Array(f32ToBf16(values).buffer);
        },
      }));
      await writeSafetensors(join(folder, "model.safetensors"), entries);
      await writeCompanions(folder);
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
