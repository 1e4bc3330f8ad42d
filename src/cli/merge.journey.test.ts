/** Saving as a user does it: train a tiny adapter, save it in every form, ask the result, and meet every refusal. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SaveReport } from "../config/reports.ts";
import { readSafetensors } from "../formats/safetensors-reader.ts";
import { loadLibrary } from "./library.ts";
import { runCli } from "./run-cli.ts";
import { type FakeIo, fakeIo } from "./testing/fake-io.ts";
import { writeTinyModel, writeTinyModelOf } from "./testing/tiny-model.ts";

let folder: string;
let model: string;
let adapter: string;

async function run(...words: string[]): Promise<{ code: number; io: FakeIo }> {
  const io = fakeIo(await loadLibrary());
  const code = await runCli([...words, "--device", "cpu", "--threads", "2"], io);
  return { code, io };
}

const merge = (format: string, out: string, ...more: string[]) =>
  run("merge", "--adapter", adapter, "--format", format, "--out", out, ...more);
const last = (io: FakeIo) => JSON.parse(io.out().trim().split("\n").at(-1)!) as SaveReport;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "remora-merge-"));
  model = await writeTinyModel(join(folder, "model"));
  const data = join(folder, "rows.jsonl");
  const rows = Array.from({ length: 40 }, (_, i) => ({ instruction: `Count to ${i % 7}`, output: `${i % 7} fish, ${i} in all` }));
  writeFileSync(data, rows.map((row) => JSON.stringify(row)).join("\n"));
  const { code, io } = await run(
    ...["train", "--model", model, "--data", data, "--template", "instruct", "--out", join(folder, "run")],
    ...["--max-steps", "30", "--learning-rate", "0.02", "--validation-count", "6", "--compute", "f32"],
  );
  expect(code, io.err()).toBe(0);
  adapter = join(folder, "run", "adapter");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("every form, proven, reloaded and asked", () => {
  test.each([
    ["16bit", 0.99],
    ["nf4", 0.5],
    ["gguf:f16", 0.99],
    ["gguf:q8_0", 0.97],
    ["gguf:q5_1", 0.85],
  ])("%s", async (format, least) => {
    const out = join(folder, format.replace(":", "-"));
    const { code, io } = await merge(format, out, "--json");
    // Random weights are hard on 4 bits: there the proof itself may refuse, and must then leave nothing.
    const report = last(io);
    expect(report.proof.data).toContain("held-out rows of");
    expect(report.proof.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(report.proof.base.kl).toBeGreaterThan(0.01);
    expect(report.proof.saved.retained).toBeGreaterThan(least);
    expect(code).toBe(report.proof.passed ? 0 : 1);
    expect(existsSync(out)).toBe(report.proof.passed);
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
    if (!report.proof.passed) return;
    expect(JSON.parse(readFileSync(join(out, "save-report.json"), "utf8"))).toEqual(report);

    const ask = ["--instruction", "Count to 3", "--greedy", "--max-tokens", "12", "--compute", "f32", "--json"];
    const saved = await run("generate", "--model", out, ...ask);
    const tuned = await run("generate", "--model", model, "--adapter", adapter, ...ask);
    expect(saved.code, saved.io.err()).toBe(0);
    if (least > 0.98) expect(JSON.parse(saved.io.out()).text).toBe(JSON.parse(tuned.io.out()).text);
  });

  test("adapter: one alone is kept, two with weights become one of both ranks", async () => {
    const one = join(folder, "one-adapter");
    expect((await merge("adapter", one, "--json")).code).toBe(0);
    const halves = join(folder, "halves");
    const { code, io } = await run(
      "merge",
      "--adapter",
      one,
      adapter,
      "--weights",
      "0.25",
      "0.75",
      "--format",
      "adapter",
      "--out",
      halves,
      "--json",
    );
    expect(code, io.err()).toBe(0);
    expect(last(io).proof.saved.retained).toBeGreaterThan(0.9999);
    const { r } = JSON.parse(readFileSync(join(halves, "adapter_config.json"), "utf8")) as { r: number };
    const { r: before } = JSON.parse(readFileSync(join(adapter, "adapter_config.json"), "utf8")) as { r: number };
    expect(r).toBe(2 * before);
  });

  test("an NF4 save and a GGUF save serve as bases again", async () => {
    const q8 = join(folder, "base-q8");
    expect((await run("merge", "--model", model, "--format", "gguf:q8_0", "--out", q8, "--json")).code).toBe(0);
    const back = join(folder, "from-q8");
    const { code, io } = await run("merge", "--model", q8, "--format", "16bit", "--out", back, "--json");
    expect(code, io.err()).toBe(0);
    expect(last(io).proof.saved.kl).toBeLessThan(0.01);
    const again = await run("merge", "--model", back, "--format", "gguf:q8_0", "--out", join(folder, "q8-again"), "--json");
    expect(again.code, again.io.err()).toBe(0);
    expect(last(again.io).proof.checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  test("prose: a table on stderr, the folder on stdout", async () => {
    const { code, io } = await merge("16bit", join(folder, "prose"));
    expect(code, io.err()).toBe(0);
    expect(io.out()).toBe(`${join(folder, "prose")}\n`);
    expect(io.err()).toMatch(/saved +\S+ +\S+ +(100\.0|99\.\d)%/);
    expect(io.err()).toContain("of what was learnt is retained (needed 99.0%)");
  });
});

describe("an adapter trained on a pre-quantized NF4 folder", () => {
  let nf4: string;
  let onNf4: string;
  const mergeIt = async (format: string, out: string, ...more: string[]) => {
    const { code, io } = await run("merge", "--adapter", onNf4, "--format", format, "--out", join(folder, out), "--json", ...more);
    return { code, io, report: code === 0 ? last(io) : undefined };
  };
  const storedTypes = (path: string) => {
    const [name] = readdirSync(path).filter((file) => file.endsWith(".safetensors"));
    return new Set([...readSafetensors(join(path, name!)).tensors.values()].map(({ dtype }) => dtype));
  };

  beforeAll(async () => {
    nf4 = join(folder, "nf4-base");
    expect((await run("merge", "--model", model, "--format", "nf4", "--out", nf4, "--json")).code).toBe(0);
    const { code, io } = await run(
      ...["train", "--model", nf4, "--data", join(folder, "rows.jsonl"), "--template", "instruct", "--out", join(folder, "nf4-run")],
      ...["--max-steps", "30", "--learning-rate", "0.02", "--validation-count", "6", "--compute", "f32"],
    );
    expect(code, io.err()).toBe(0);
    onNf4 = join(folder, "nf4-run", "adapter");
  });

  test.each([
    ["16bit", 0.999],
    ["nf4", 0.8],
    ["gguf:f16", 0.999],
    ["gguf:q8_0", 0.97],
  ])("%s keeps what was learnt, and says what it was merged into", async (format, least) => {
    // A name with a colon, as Ollama has them.
    const { code, io, report } = await mergeIt(format, `on-nf4:${format}`);
    expect(code, io.err()).toBe(0);
    expect(report!.base).toMatchObject({ storedAs: "nf4", trainedAs: "nf4" });
    expect(report!.mergeBase).toEqual({ used: "trained", reason: "nf4 weights are all there is of the base" });
    expect(report!.proof.passed).toBe(true);
    expect(report!.proof.base.kl).toBeGreaterThan(0.5);
    expect(report!.proof.saved.retained).toBeGreaterThan(least);
    const out = join(folder, `on-nf4:${format}`);
    if (format === "16bit") expect(storedTypes(out)).toEqual(new Set(["BF16"]));
    if (format === "nf4") expect(storedTypes(out)).toEqual(new Set(["BF16", "F32", "U8"]));
    const ask = ["--instruction", "Count to 3", "--greedy", "--max-tokens", "12", "--compute", "f32", "--json"];
    const path = format.startsWith("gguf") ? join(out, readdirSync(out).find((name) => name.endsWith(".gguf"))!) : out;
    const saved = await run("generate", "--model", path, ...ask);
    expect(saved.code, saved.io.err()).toBe(0);
    const tuned = await run("generate", "--model", nf4, "--adapter", onNf4, ...ask);
    if (least > 0.99) expect(JSON.parse(saved.io.out()).text).toBe(JSON.parse(tuned.io.out()).text);
  });

  test("the folder alone is copied to the byte; --merge-base trained is what auto takes, original is refused", async () => {
    const copy = join(folder, "nf4-copy");
    expect((await run("merge", "--model", nf4, "--format", "nf4", "--out", copy, "--json")).code).toBe(0);
    const weights = (path: string) => readFileSync(join(path, "model.safetensors"));
    expect(weights(copy).equals(weights(nf4))).toBe(true);

    const trained = await mergeIt("16bit", "nf4-trained", "--merge-base", "trained");
    expect(trained.report!.mergeBase).toEqual({ used: "trained", reason: "asked for" });
    expect(weights(join(folder, "nf4-trained")).equals(weights(join(folder, "on-nf4:16bit")))).toBe(true);
    const original = await mergeIt("16bit", "nf4-original", "--merge-base", "original");
    expect(original.code).toBe(2);
    expect(original.io.err()).toContain("holds nf4 only and the original weights are not at hand");
    expect(existsSync(join(folder, "nf4-original"))).toBe(false);
  });

  test("its 16-bit original, named with --model, is known not to be what training saw: both ways are measured", async () => {
    const auto = await mergeIt("16bit", "onto-original", "--model", model);
    expect(auto.report!.base).toMatchObject({ storedAs: "f32", trainedAs: "nf4" });
    expect(auto.report!.mergeBase.used).toBe("original");
    expect(auto.report!.proof.mergeBases.original.retained).toBeLessThan(1);
    expect(auto.report!.proof.mergeBases.trained.retained).toBe(1);
    const trained = await mergeIt("16bit", "onto-original-trained", "--model", model, "--merge-base", "trained");
    expect(trained.report!.proof.saved.retained).toBeGreaterThan(auto.report!.proof.saved.retained!);
  });
});

describe("bad input", () => {
  const nothingAt = (out: string) => {
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  };

  test("an output that exists is not touched without --force, and a folder of other things not even with it", async () => {
    const out = join(folder, "taken");
    mkdirSync(out);
    writeFileSync(join(out, "model-00001-of-00002.safetensors"), "half");
    const refused = await merge("16bit", out);
    expect(refused.code).toBe(2);
    expect(refused.io.err()).toContain("expected nothing there, found 1 file (model-00001-of-00002.safetensors)");
    expect(readFileSync(join(out, "model-00001-of-00002.safetensors"), "utf8")).toBe("half");
    expect((await merge("16bit", out, "--force")).code).toBe(0);
    expect(existsSync(join(out, "model-00001-of-00002.safetensors"))).toBe(false);

    const other = join(folder, "letters");
    mkdirSync(other);
    writeFileSync(join(other, "letter.txt"), "Dear fish");
    const kept = await merge("16bit", other, "--force");
    expect(kept.code).toBe(2);
    expect(kept.io.err()).toContain("that are no saved model");
    expect(existsSync(join(other, "letter.txt"))).toBe(true);
  });

  test("what a save is made from is never replaced, --force or not: not the base, not the adapter, not the run around it", async () => {
    const copy = join(folder, "run-copy");
    cpSync(join(folder, "run"), copy, { recursive: true });
    const own = join(copy, "adapter");
    for (const out of [own, copy]) {
      const { code, io } = await run("merge", "--adapter", own, "--format", "16bit", "--out", out, "--force");
      expect(code).toBe(2);
      expect(io.err()).toContain("which the save is made from");
      expect(existsSync(join(own, "adapter_model.safetensors"))).toBe(true);
    }
    const base = await run("merge", "--model", model, "--format", "16bit", "--out", model, "--force");
    expect(base.code).toBe(2);
    expect(base.io.err()).toContain("which the save is made from");
  });

  test("an adapter with NaN, and notes beside it that are no JSON", async () => {
    const broken = join(folder, "broken-adapter");
    cpSync(adapter, broken, { recursive: true });
    const path = join(broken, "adapter_model.safetensors");
    const bytes = readFileSync(path);
    bytes.writeFloatLE(Number.NaN, bytes.length - 8);
    writeFileSync(path, bytes);
    const out = join(folder, "from-broken");
    const nan = await run("merge", "--adapter", broken, "--model", model, "--format", "16bit", "--out", out);
    expect(nan.code).toBe(2);
    expect(nan.io.err()).toMatch(/expected finite numbers, found NaN at element \d+/);
    writeFileSync(join(broken, "remora.json"), "{ template");
    const notes = await run("merge", "--adapter", broken, "--model", model, "--format", "16bit", "--out", out);
    expect(notes.code).toBe(2);
    expect(notes.io.err()).toContain("remora.json");
    nothingAt(out);
  });

  test("an adapter of another base", async () => {
    const other = await writeTinyModelOf(join(folder, "wider"), { hidden_size: 128 });
    const out = join(folder, "wrong-base");
    const { code, io } = await merge("16bit", out, "--model", other);
    expect(code).toBe(2);
    expect(io.err()).toMatch(/model\.layers\.0\.\S+: expected \[\d+, \d+\] as in .*wider, found \[\d+, \d+\]/);
    nothingAt(out);
  });

  test("shards of two saves", async () => {
    const mixed = join(folder, "mixed");
    expect((await run("merge", "--model", model, "--format", "16bit", "--out", mixed, "--max-shard-bytes", "60000", "--json")).code).toBe(
      0,
    );
    const index = join(mixed, "model.safetensors.index.json");
    const shards = JSON.parse(readFileSync(index, "utf8")) as { weight_map: Record<string, string> };
    expect(new Set(Object.values(shards.weight_map)).size).toBeGreaterThan(1);
    shards.weight_map["model.norm.weight"] = Object.values(shards.weight_map)[0]!;
    writeFileSync(index, JSON.stringify(shards));
    const out = join(folder, "from-mixed");
    const { code, io } = await merge("16bit", out, "--model", mixed);
    expect(code).toBe(2);
    expect(io.err()).toContain("The folder mixes files of two saves");
    nothingAt(out);
  });

  test("no chat template: saved without one, and said so", async () => {
    const bare = join(folder, "bare");
    cpSync(model, bare, { recursive: true });
    const config = join(bare, "tokenizer_config.json");
    const { chat_template: _, ...rest } = JSON.parse(readFileSync(config, "utf8")) as Record<string, unknown>;
    writeFileSync(config, JSON.stringify(rest));
    const { code, io } = await merge("gguf:q8_0", join(folder, "bare-gguf"), "--model", bare, "--json");
    expect(code, io.err()).toBe(0);
    expect(last(io).proof.checks.find(({ name }) => name === "chat template")).toEqual({
      name: "chat template",
      ok: true,
      detail: "none, as in the base",
    });
  });

  test("a tokenizer with added tokens beyond the embedding, and one with fewer tokens than rows", async () => {
    const added = join(folder, "added");
    cpSync(model, added, { recursive: true });
    const path = join(added, "tokenizer.json");
    const json = JSON.parse(readFileSync(path, "utf8")) as { added_tokens: { id: number; content: string }[] };
    writeFileSync(
      path,
      JSON.stringify({ ...json, added_tokens: [...json.added_tokens, { ...json.added_tokens[0], id: 258, content: "<extra>" }] }),
    );
    const out = join(folder, "from-added");
    const refused = await merge("gguf:f16", out, "--model", added);
    expect(refused.code).toBe(2);
    expect(refused.io.err()).toContain("259");
    nothingAt(out);

    const padded = await writeTinyModelOf(join(folder, "padded"), { vocab_size: 288 });
    const { code, io } = await run("merge", "--model", padded, "--format", "gguf:f16", "--out", join(folder, "padded-gguf"), "--json");
    expect(code, io.err()).toBe(0);
    expect(last(io).proof.checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  test("heads: tied ones are not written twice, others are kept", async () => {
    const untied = await writeTinyModelOf(join(folder, "untied"), { tie_word_embeddings: false });
    const { code, io } = await run("merge", "--model", untied, "--format", "gguf:f16", "--out", join(folder, "untied-gguf"), "--json");
    expect(code, io.err()).toBe(0);
    const tied = await run("merge", "--model", model, "--format", "gguf:f16", "--out", join(folder, "tied-gguf"), "--json");
    expect(last(io).tensors.F16! - last(tied.io).tensors.F16!).toBe(1);
  });

  test.each([
    ["a format that does not exist", ["--format", "int3"], "expected 16bit, nf4, adapter or gguf:TYPE"],
    [
      "weights that are not one for each adapter",
      ["--format", "16bit", "--weights", "1", "2"],
      "expected as many as there are adapters (1), found 2",
    ],
    ["a folder that is no adapter", ["--format", "16bit", "--adapter", "/nonexistent"], "/nonexistent"],
  ])("%s", async (_, words, text) => {
    const out = join(folder, "refused");
    const { code, io } = await run("merge", "--adapter", adapter, "--out", out, ...words);
    expect(code).toBe(2);
    expect(io.err()).toContain(text);
    nothingAt(out);
  });

  test("the original weights, when a GGUF file is all there is", async () => {
    const q8 = join(folder, "only-q8");
    expect((await run("merge", "--model", model, "--format", "gguf:q8_0", "--out", q8, "--json")).code).toBe(0);
    const out = join(folder, "no-original");
    const { code, io } = await merge("16bit", out, "--model", q8, "--merge-base", "original");
    expect(code).toBe(2);
    expect(io.err()).toContain("holds q8_0 only and the original weights are not at hand");
    nothingAt(out);
  });

  test("after training in 4 bits, a file's 8-bit weights are the original; else they are what was trained", async () => {
    const q8 = join(folder, "q8");
    expect((await run("merge", "--model", model, "--format", "gguf:q8_0", "--out", q8, "--json")).code).toBe(0);
    const used = async (trainedAs: string) => {
      const { io } = await merge("nf4", join(folder, `from-q8-${trainedAs}`), "--model", q8, "--trained-as", trainedAs, "--json");
      return last(io).mergeBase;
    };
    expect(await used("nf4")).toMatchObject({ used: "original", reason: expect.stringContaining("q8_0 weights are at hand") });
    expect(await used("file")).toEqual({ used: "trained", reason: "q8_0 weights are all there is of the base" });
  });
});
