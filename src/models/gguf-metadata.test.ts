/** Every fixture's shape through GGUF metadata and back: nothing of it may change. What the format cannot say is refused by name. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { writeGguf } from "../formats/gguf-writer.ts";
import { readJsonObject } from "../formats/json-file.ts";
import { decoderParameters } from "./decoder-parameters.ts";
import type { DecoderShape } from "./decoder-shape.ts";
import { ggufHyperparameters } from "./gguf-metadata.ts";
import { ggufName } from "./gguf-names.ts";
import { readDecoderShape } from "./registry.ts";
import { openWeightSource } from "./weight-source.ts";

const fixtures = join(dirname(fileURLToPath(import.meta.url)), "../../fixtures/data/models");
const folder = mkdtempSync(join(tmpdir(), "remora-gguf-metadata-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Fixture → why llama.cpp cannot run it. */
const REFUSED: Readonly<Record<string, string>> = {
  gemma3: "query_pre_attn_scalar: expected 16, which is all that llama.cpp runs, found 24",
  "gemma3-linear": "query_pre_attn_scalar: expected 16, which is all that llama.cpp runs, found 24",
  "gemma3-softcap": "query_pre_attn_scalar: expected 16, which is all that llama.cpp runs, found 24",
  "llama-rope-yarn-mscale": "rope_scaling.truncate: expected true, which is all that llama.cpp runs, found false",
  "qwen2-window": "use_sliding_window: expected false, which is all that llama.cpp runs, found true",
};

async function throughGguf(shape: DecoderShape, name: string): Promise<DecoderShape> {
  const { architecture, entries, ropeTensors } = ggufHyperparameters(shape, name);
  const path = join(folder, `${name}.gguf`);
  const general = { key: "general.architecture", type: "string" as const, value: architecture };
  const zeros = (count: number) => [new Uint8Array(4 * count)];
  const tensors = decoderParameters(shape).map((parameter) => ({
    name: ggufName(architecture, parameter.path)!,
    type: "F32" as const,
    shape: parameter.shape,
    read: () => zeros(parameter.shape.reduce((product, size) => product * size, 1)),
  }));
  const rope = ropeTensors.map((tensor) => ({
    name: tensor.name,
    type: "F32" as const,
    shape: [tensor.values.length],
    read: () => [new Uint8Array(tensor.values.buffer)],
  }));
  await writeGguf(path, [general, ...entries], [...rope, ...tensors]);
  return readDecoderShape(openWeightSource(path).config, path);
}

/** Numbers in files are f32; Mistral is a Llama there; Llama 3's rule comes back as its divisors unless it is the usual one. */
function comparable(shape: DecoderShape): unknown {
  const { modelType: _, layers, ...rest } = shape;
  const text = JSON.stringify({ ...rest, layers: layers.map(({ window, rope }) => ({ window, ...rope })) }, (_key, value) =>
    typeof value === "number" ? Number(value.toPrecision(6)) : value,
  );
  return JSON.parse(text);
}

describe.each(readdirSync(fixtures).sort())("%s", (name) => {
  const shape = readDecoderShape(readJsonObject(join(fixtures, name, "config.json")), name);
  test.runIf(name in REFUSED)("is refused", async () => {
    await expect(throughGguf(shape, name)).rejects.toThrow(REFUSED[name]);
  });
  test.runIf(!(name in REFUSED))("keeps its shape", async () => {
    const back = await throughGguf(shape, name);
    if (shape.layers[0]!.rope.scaling.type === "llama3" && back.layers[0]!.rope.scaling.type === "divisors") {
      const { divisors } = back.layers[0]!.rope.scaling;
      expect(divisors).toHaveLength(shape.layers[0]!.rope.rotary / 2);
      expect(divisors.every((divisor) => divisor >= 1)).toBe(true);
      return;
    }
    expect(comparable(back)).toEqual(comparable(shape));
  });
});
