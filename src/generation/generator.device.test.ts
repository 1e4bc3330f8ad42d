/** Asking over the paged cache: the same logits as scoring the whole text at once, alone or in a batch, with or without a cached prefix. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { describeOnEachDevice } from "../backend/testing/describe-on-each-device.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { loadModel } from "../models/load-model.ts";
import { openWeightSource } from "../models/weight-source.ts";
import { Arena } from "../tensor/arena.ts";
import { attention } from "../tensor/ops/attention.ts";
import { Tape } from "../tensor/tape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type GenerationRequest, Generator } from "./generator.ts";
import { GREEDY } from "./sampling.ts";

const FOLDER = new URL("../../fixtures/data/models/", import.meta.url).pathname;
const PROMPT = [3, 17, 60, 5, 88, 41, 12];

async function load(backend: import("../backend/backend.ts").Backend, name: string): Promise<CausalLM> {
  return loadModel(new Arena(backend), openWeightSource(`${FOLDER}${name}`), { base: "file", compute: "f32" });
}

function request(ids: readonly number[], changes: Partial<GenerationRequest> = {}): GenerationRequest {
  return { ids, settings: GREEDY, maxTokens: 24, endIds: new Set(), ...changes };
}

/** What a WeakRef has looked at lives to the end of the running job, so a turn of the event loop comes first. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString("--expose-gc");
  await new Promise((resolve) => setImmediate(resolve));
  (runInNewContext("gc") as () => void)();
}

describeOnEachDevice("Generation", (device) => {
  for (const name of ["llama", "mistral-nemo", "mistral-window", "qwen3", "gemma3", "phi3-partial"]) {
    it(`${name}: greedy answers are what scoring the whole text says`, async () => {
      const model = await load(device.backend(), name);
      const generator = new Generator(model, { slots: 2, positions: 64 });
      const logprobs: number[] = [];
      const [result] = await generator.generate([request(PROMPT, { onToken: ({ logprob }) => void logprobs.push(logprob) })]);
      expect(result!.ids).toHaveLength(24);
      const text = [...PROMPT, ...result!.ids];
      const scored = await score(model, text);
      for (const [index, id] of result!.ids.entries()) {
        const row = scored[PROMPT.length - 1 + index]!;
        expect(row.best, `token ${index}`).toBe(id);
        expect(Math.abs(row.logprob(id) - logprobs[index]!), `log-probability of token ${index}`).toBeLessThan(1e-4);
      }
      generator.release();
      model.dispose();
    });
  }

  it("a batch answers as each request alone, whatever the lengths, more requests than slots", async () => {
    const model = await load(device.backend(), "mistral-nemo");
    const settings = { ...GREEDY, temperature: 0.9, topK: 40, topP: 0.95, repetitionPenalty: 1.1 };
    const requests = [1, 3, 7, 20, 33].map((length, index) =>
      request(
        Array.from({ length }, (_, t) => (t * 7 + index * 13 + 1) % 97),
        { settings: { ...settings, seed: index }, maxTokens: 5 + index * 6 },
      ),
    );
    const generator = new Generator(model, { slots: 3, positions: 96 });
    const together = await generator.generate(requests);
    generator.release();
    for (const [index, one] of requests.entries()) {
      const alone = new Generator(model, { slots: 1, positions: 96 });
      const [result] = await alone.generate([one]);
      expect(together[index]!.ids).toEqual(result!.ids);
      alone.release();
    }
    model.dispose();
  });

  it("a request without a token is refused, and what runs beside it goes on", async () => {
    const model = await load(device.backend(), "llama");
    const generator = new Generator(model, { slots: 2, positions: 64 });
    const beside = generator.generate([request(PROMPT)]);
    await expect(generator.generate([request([])])).rejects.toThrow("at least one token");
    expect((await beside)[0]!.ids).toHaveLength(24);
    generator.release();
    model.dispose();
  });

  it("holds nothing of a request that has ended", async () => {
    const model = await load(device.backend(), "llama");
    const generator = new Generator(model, { slots: 2, positions: 64 });
    const ask = async () => {
      const settings = { ...GREEDY };
      await generator.generate([request(PROMPT, { settings, maxTokens: 3 })]);
      return new WeakRef(settings);
    };
    const settings = await ask();
    await collectGarbage();
    expect(settings.deref()).toBeUndefined();
    generator.release();
    model.dispose();
  });

  it("a conversation reuses what is cached and answers the same", async () => {
    const model = await load(device.backend(), "qwen3");
    const generator = new Generator(model, { slots: 1, positions: 96 });
    const [first] = await generator.generate([request(PROMPT)]);
    const longer = [...PROMPT, ...first!.ids, 9, 8, 7];
    const [cached] = await generator.generate([request(longer)]);
    expect(cached!.cachedTokens).toBe(PROMPT.length + first!.ids.length - 1);
    generator.forget();
    const [fresh] = await generator.generate([request(longer)]);
    expect(fresh!.cachedTokens).toBe(0);
    expect(cached!.ids).toEqual(fresh!.ids);
    generator.release();
    model.dispose();
  });

  it("ends at end ids, at a stop, at the length, and when cancelled", async () => {
    const model = await load(device.backend(), "llama");
    const generator = new Generator(model, { slots: 2, positions: 32 });
    const [whole] = await generator.generate([request(PROMPT)]);
    const third = whole!.ids[2]!;
    const until = whole!.ids.indexOf(third);
    const [ended] = await generator.generate([request(PROMPT, { endIds: new Set([third]) })]);
    expect(ended).toMatchObject({ finishReason: "end", ids: whole!.ids.slice(0, until) });
    const [stopped] = await generator.generate([request(PROMPT, { onToken: ({ id }) => (id === third ? "stop" : undefined) })]);
    expect(stopped).toMatchObject({ finishReason: "stop", ids: whole!.ids.slice(0, until + 1) });
    const [full] = await generator.generate([request(PROMPT, { maxTokens: 1000 })]);
    expect(full).toMatchObject({ finishReason: "length" });
    expect(full!.ids.length + PROMPT.length).toBe(32);
    let steps = 0;
    const cancelled = await generator.generate([request(PROMPT), request(PROMPT), request(PROMPT)], () => ++steps > 4);
    expect(cancelled.map(({ finishReason }) => finishReason)).toEqual(["cancelled", "cancelled", "cancelled"]);
    expect(cancelled[2]!.ids).toEqual([]);
    generator.release();
    model.dispose();
  });
});

/** Log-probabilities of every next token of a text, by the packed attention that training uses. */
async function score(model: CausalLM, ids: readonly number[]) {
  const { arena, backend, shape, weights } = model;
  const rows = ids.length;
  const make = (values: Int32Array) => {
    const tensor = Tensor.take(arena, "i32", [rows], "test");
    backend.upload(tensor, new Uint8Array(values.buffer));
    return tensor;
  };
  const inputs = [
    Int32Array.from(ids),
    Int32Array.from(ids, (_, index) => index),
    new Int32Array(rows),
    new Int32Array(rows).fill(rows),
  ].map(make);
  const [tokens, positions, start, end] = inputs as [Tensor, Tensor, Tensor, Tensor];
  const logits = Tensor.take(arena, "f32", [rows, shape.vocabularySize], "logits");
  const tape = new Tape(arena, { recording: false });
  tape.scope("score", () => {
    const hidden = model.forward(tape, tokens, positions, (on, _layer, qkv, rule) => attention(on, qkv, { start, end }, rule));
    backend.linearForward({ parts: [{ weight: weights.head.weight }], dropout: 0 }, hidden, logits, null);
    return [];
  });
  const bytes = await backend.download(logits);
  for (const tensor of [...inputs, logits]) tensor.release();
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  return Array.from({ length: rows }, (_, row) => {
    const of = values.subarray(row * shape.vocabularySize, (row + 1) * shape.vocabularySize);
    const max = of.reduce((a, b) => Math.max(a, b));
    const logSum = max + Math.log(of.reduce((sum, value) => sum + Math.exp(value - max), 0));
    return { best: of.indexOf(max), logprob: (id: number) => of[id]! - logSum };
  });
}
