/** Our encoders against ggml's own, byte for byte, on weights with the shapes that occur: normal, heavy-tailed, sparse, constant, zero. */
import { describe, expect, test } from "vitest";
import type { GgufBlockFormat } from "../../src/backend/backend.ts";
import { availableCpuIsas, openCpuBackend } from "../../src/backend/cpu/open-cpu.ts";
import { GGML_TYPES, type GgmlType } from "../../src/formats/ggml-types.ts";
import { Arena } from "../../src/tensor/arena.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { INSTALL, isInstalled, openLlamaLibrary } from "./llama-library.ts";

const FORMATS: GgufBlockFormat[] = ["q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"];
const [ROWS, COLUMNS] = [33, 1280];

if (!isInstalled()) console.log(`skipped: ${INSTALL}`);

/** Rows of different kinds, from a seed. */
function weights(): Float32Array {
  let state = 7;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const kinds: ((i: number) => number)[] = [
    () => 0.02 * normal(),
    () => 0.02 * normal() ** 3,
    () => (uniform() < 0.9 ? 0 : normal()),
    () => 0,
    () => -0.5,
    () => 0.25,
    (i) => i / 1280,
    () => 1e-6 * normal(),
    () => Math.abs(normal()),
    () => 300 * normal(),
    () => (uniform() < 0.5 ? 1 : -1),
  ];
  return Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => kinds[Math.floor(i / COLUMNS) % kinds.length]!(i % COLUMNS));
}

describe.skipIf(!isInstalled())("GGUF blocks equal ggml's to the byte", () => {
  const values = weights();
  const library = isInstalled() ? openLlamaLibrary() : undefined;
  const backends = isInstalled() ? availableCpuIsas().map((isa) => [isa, openCpuBackend({ isa, threads: 2 })] as const) : [];

  for (const [name, backend] of backends) {
    test.each(FORMATS)(`${name}: %s`, async (format) => {
      const type = format.toUpperCase() as GgmlType;
      const { id, blockElements, blockBytes } = GGML_TYPES[type];
      const bytes = (values.length / blockElements) * blockBytes;
      const expected = library!.quantizeRows(id, values, ROWS, bytes);
      const arena = new Arena(backend);
      const x = Tensor.take(arena, "f32", [ROWS, COLUMNS], "values");
      const blocks = Tensor.take(arena, "u8", [bytes], "blocks");
      backend.upload(x, new Uint8Array(values.buffer));
      backend.ggufEncode!(x, blocks, format);
      const found = await backend.download(blocks);
      const wrong = [];
      for (let b = 0; b < bytes / blockBytes; b++) {
        const at = b * blockBytes;
        if (!Buffer.from(found.subarray(at, at + blockBytes)).equals(expected.subarray(at, at + blockBytes))) wrong.push(b);
      }
      expect(wrong).toEqual([]);
    });
  }
});
