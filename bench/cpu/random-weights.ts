/** Random weights of a decoder made on the device, in the format asked for: benchmarks need shapes, not a model. */
import type { ParameterMaker } from "../../src/models/load-model.ts";
import { createDynamicMap } from "../../src/quant/dynamic-map.ts";
import type { Arena } from "../../src/tensor/arena.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

export function randomMaker(arena: Arena, base: "bf16" | "f32" | "nf4"): ParameterMaker {
  const { backend } = arena;
  let seed = 1n;
  const dense = (label: string, rows: number, cols: number) => {
    const tensor = Tensor.take(arena, "f32", [rows, cols], label);
    backend.random(tensor, seed++, 0.02, "normal");
    return tensor;
  };
  return {
    async matrix(path, rows, cols, role) {
      const values = dense(path, rows, cols);
      const format = role === "linear" ? base : "bf16";
      if (format === "f32") return { path, weight: { format, rows, cols, data: values, path }, owned: [values] };
      if (format === "bf16") {
        const data = Tensor.take(arena, "bf16", [rows, cols], path);
        backend.convert(values, data);
        values.release();
        return { path, weight: { format, rows, cols, data, path }, owned: [data] };
      }
      const blocks = (rows * cols) / 64;
      const take = (dtype: "u8" | "f32", size: number) => Tensor.take(arena, dtype, [size], path);
      const [codes, absmax, scales] = [take("u8", (rows * cols) / 2), take("f32", blocks), take("u8", blocks)];
      const [nested, code, offset] = [take("f32", Math.ceil(blocks / 256)), take("f32", 256), take("f32", 1)];
      backend.nf4Encode(values, codes, absmax);
      values.release();
      backend.upload(code, new Uint8Array(createDynamicMap(true).buffer));
      backend.nf4Nest(absmax, code, scales, nested, offset);
      absmax.release();
      const bytes = await backend.download(offset);
      offset.release();
      const nestedOffset = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
      const weight = { format, rows, cols, data: codes, scales, nested: { scales: nested, code, offset: nestedOffset }, path };
      return { path, weight, owned: [codes, scales, nested, code] };
    },
    norm(path, size) {
      const value = Tensor.take(arena, "f32", [size], path);
      backend.upload(value, new Uint8Array(new Float32Array(size).fill(1).buffer));
      return { path, value };
    },
    biases(parts) {
      const value = Tensor.take(arena, "f32", [parts.reduce((sum, { rows }) => sum + rows, 0)], "bias");
      backend.zero(value);
      return { path: "bias", value };
    },
  };
}
