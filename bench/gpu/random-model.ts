/**
 * A decoder of a given shape with random weights made on the device, layer by layer: linears in NF4 with double quantization (or bf16), embedding
 * and head in bf16. For speed and memory; the answers mean nothing.
 */

import type { ActivationDType } from "../../src/backend/backend.ts";
import { CausalLM } from "../../src/models/causal-lm.ts";
import { buildDecoder, type ParameterMaker } from "../../src/models/load-model.ts";
import { toE4m3 } from "../../src/models/load-weights.ts";
import { readDecoderShape } from "../../src/models/registry.ts";
import { createDynamicMap } from "../../src/quant/dynamic-map.ts";
import { NF4_BLOCK_ELEMENTS, NF4_NESTED_BLOCK } from "../../src/quant/weight-formats.ts";
import type { Arena } from "../../src/tensor/arena.ts";
import type { MatrixParameter } from "../../src/tensor/parameter.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

export interface RandomModelOptions {
  readonly linears: "nf4" | "bf16";
  readonly compute: ActivationDType;
  /** Linears go on to E4M3 and are multiplied in 8 bits, as under `compute: fp8`. @default false */
  readonly fp8?: boolean;
  /** The embedding stays in the host's memory and its rows are gathered over the bus. @default false */
  readonly hostEmbedding?: boolean;
}

export async function makeRandomModel(arena: Arena, config: Record<string, unknown>, options: RandomModelOptions): Promise<CausalLM> {
  const { backend } = arena;
  const shape = readDecoderShape(config, "bench");
  let seed = 1n;
  // One flat scratch for all matrices, f32: the largest is the embedding. Given back at the end.
  const random = (count: number, label: string): Tensor => {
    const values = Tensor.take(arena, "f32", [count], label);
    backend.random(values, seed++, 0.02, "normal");
    return values;
  };
  const dense = (path: string, rows: number, cols: number, home = arena): MatrixParameter => {
    const data = Tensor.take(home, "bf16", [rows, cols], path);
    // In pieces, so that the f32 values of a large table need not exist at once.
    const step = Math.min(rows, 8192);
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row);
      const values = random(count * cols, `random values of ${path}`);
      backend.convert(values, data.view([count * cols], row * cols));
      values.release("making a random model");
    }
    return { path, weight: { format: "bf16", rows, cols, data, path }, owned: [data] };
  };
  const nf4 = async (path: string, rows: number, cols: number): Promise<MatrixParameter> => {
    const count = rows * cols;
    const blocks = count / NF4_BLOCK_ELEMENTS;
    const take = (dtype: "f32" | "u8", size: number, label: string) => Tensor.take(arena, dtype, [size], `${label} of ${path}`);
    const [data, scales] = [take("u8", count / 2, "NF4 codes"), take("u8", blocks, "scales")];
    const [nestedScales, code, offset] = [
      take("f32", Math.ceil(blocks / NF4_NESTED_BLOCK), "nested scales"),
      take("f32", 256, "map"),
      take("f32", 1, "offset"),
    ];
    const [values, absmax] = [random(count, `random values of ${path}`), take("f32", blocks, "absmax")];
    backend.nf4Encode(values, data, absmax);
    backend.upload(code, new Uint8Array(createDynamicMap(true).buffer));
    backend.nf4Nest(absmax, code, scales, nestedScales, offset);
    const bytes = await backend.download(offset);
    for (const temporary of [values, absmax, offset]) temporary.release("making a random model");
    const mean = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
    const weight = { format: "nf4", rows, cols, data, scales, nested: { scales: nestedScales, code, offset: mean }, path } as const;
    return { path, weight, owned: [data, scales, nestedScales, code] };
  };
  const maker: ParameterMaker = {
    matrix: async (path, rows, cols, role) => {
      if (role === "linear") {
        const linear = options.linears === "nf4" ? await nf4(path, rows, cols) : dense(path, rows, cols);
        return options.fp8 ? toE4m3(arena, linear) : linear;
      }
      return dense(path, rows, cols, role === "embedding" && options.hostEmbedding ? (arena.host ?? arena) : arena);
    },
    norm: (path, size) => {
      const value = Tensor.take(arena, "f32", [size], path);
      backend.upload(value, new Uint8Array(new Float32Array(size).fill(1).buffer));
      return { path, value };
    },
    biases: () => {
      throw new Error("this shape has no biases");
    },
  };
  const owned: { release(by?: string): void }[] = [];
  const weights = await buildDecoder(shape, maker, owned);
  return new CausalLM(shape, arena, weights, options.compute, owned);
}
