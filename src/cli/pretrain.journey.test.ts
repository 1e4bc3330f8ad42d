/** A corpus to a model: tokenize texts and pairs, pretrain from nothing, stop, resume, ask; and bad input, which leaves nothing behind. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TrainEvent } from "../training/events.ts";
import { loadLibrary } from "./library.ts";
import { runCli } from "./run-cli.ts";
import { fakeIo } from "./testing/fake-io.ts";
import { writeTinyModel } from "./testing/tiny-model.ts";

let folder = "";
let shape = "";
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "remora-pretrain-"));
  shape = await writeTinyModel(at("shape"));
  // Random from the seed instead.
  rmSync(join(shape, "model.safetensors"));
  writeFileSync(
    at("books.txt"),
    Array.from({ length: 60 }, (_, i) => `Chapter ${i}. The fish swims with ${i} others.`).join("\n<|doc|>\n"),
  );
  writeFileSync(at("pairs.tsv"), Array.from({ length: 40 }, (_, i) => `${i}匹の魚。\t${i} fish.`).join("\n"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function remora(...words: string[]) {
  const io = { ...fakeIo({}), library: loadLibrary };
  const code = await runCli(words, io);
  return { code, out: io.out(), err: io.err().replaceAll(folder, ".") };
}
const tokenize = (...words: string[]) => remora("data", "tokenize", "--model", shape, ...words);
const pretrain = (out: string, ...words: string[]) =>
  remora(
    ...["pretrain", "--model", shape, "--data", `books=${at("books.tokens")}`, `pairs=${at("pairs.tokens")}`, "--out", at(out)],
    ...["--block-length", "64", "--batch-size", "2", "--warmup-steps", "2", "--log-every", "2", "--learning-rate", "5e-3"],
    ...["--compute", "f32", "--device", "cpu", "--threads", "2", ...words],
  );
const events = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as TrainEvent);

test("tokenize: what it made, as JSON; an existing file is not replaced", async () => {
  const books = await tokenize("--data", at("books.txt"), "--out", at("books.tokens"), "--json");
  expect(books.code, books.err).toBe(0);
  // A byte a token, a begin- and an end-of-text a document.
  const textBytes = readFileSync(at("books.txt")).length - 59 * 9;
  expect(JSON.parse(books.out)).toMatchObject({ documents: 60, textBytes, tokens: textBytes + 120, endId: 257, vocabularySize: 258 });
  const pairs = await tokenize(
    "--data",
    at("pairs.tsv"),
    "--header",
    "ja,en",
    "--forms",
    "{ja}\\n{en}",
    "{en} = {ja}",
    "--out",
    at("pairs.tokens"),
  );
  expect(pairs.code, pairs.err).toBe(0);
  expect(pairs.err).toContain("80 documents");
  const again = await tokenize("--data", at("books.txt"), "--out", at("books.tokens"));
  expect([again.code, again.err]).toMatchInlineSnapshot(`
    [
      2,
      "error: Preparing to write ./books.tokens
      expected nothing there, found a file
      Replace it with --force, or choose another --out.
    ",
    ]
  `);
});

test("pretrain from nothing: the loss falls, sources are scored, the model answers", async () => {
  const run = await pretrain(
    "run",
    "--max-steps",
    "20",
    "--mix",
    "books=0.5",
    "pairs=0.5",
    "--final-mix",
    "pairs=1",
    "--held-out",
    `pairs=${at("pairs.tokens")}`,
    "--json",
  );
  expect(run.code, run.err).toBe(0);
  const list = events(run.out);
  const losses = list.flatMap((event) => (event.event === "step-end" ? [event.loss] : []));
  expect(losses).toHaveLength(10);
  expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.5);
  const scores = list.flatMap((event) => (event.event === "eval-end" ? [event.sources!.pairs!.bitsPerByte] : []));
  expect(scores).toHaveLength(2);
  expect(scores[1]!).toBeLessThan(scores[0]!);
  expect(list.at(-1)).toMatchObject({ event: "run-end", reason: "completed", steps: 20, adapterPath: at("run/model") });
  expect(readdirSync(at("run/model")).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]);
  const answer = await remora("generate", "--model", at("run/model"), "--prompt", "5", "--max-tokens", "4", "--device", "cpu");
  expect(answer.code, answer.err).toBe(0);
});

test("a GGUF file serves as well: its tokenizer, its weights, and the result is a Hugging Face folder again", async () => {
  const saved = await remora("merge", "--model", at("run/model"), "--format", "gguf:f32", "--out", at("gguf"), "--device", "cpu");
  expect(saved.code, saved.err).toBe(0);
  const model = at(join("gguf", readdirSync(at("gguf")).find((name) => name.endsWith(".gguf"))!));

  const tokens = at("from-gguf.tokens");
  const forms = ["--header", "ja,en", "--forms", "{ja}\\n{en}", "{en} = {ja}"];
  const made = await remora("data", "tokenize", "--model", model, "--data", at("pairs.tsv"), ...forms, "--out", tokens, "--json");
  expect(made.code, made.err).toBe(0);
  expect(readFileSync(tokens).equals(readFileSync(at("pairs.tokens")))).toBe(true);

  const before = async (base: string, out: string) => {
    const run = await remora(
      ...["pretrain", "--model", base, "--data", `pairs=${tokens}`, "--held-out", `pairs=${tokens}`, "--out", at(out), "--max-steps", "1"],
      ...["--block-length", "64", "--batch-size", "2", "--compute", "f32", "--device", "cpu", "--threads", "2", "--json"],
    );
    expect(run.code, run.err).toBe(0);
    return events(run.out).flatMap((event) => (event.event === "eval-end" ? [event.loss] : []))[0]!;
  };
  expect(await before(model, "of-gguf")).toBeCloseTo(await before(at("run/model"), "of-folder"), 5);
  expect(readdirSync(at("of-gguf/model"))).toEqual(expect.arrayContaining(["config.json", "model.safetensors", "tokenizer.json"]));
  const answer = await remora("generate", "--model", at("of-gguf/model"), "--prompt", "5", "--max-tokens", "4", "--device", "cpu");
  expect(answer.code, answer.err).toBe(0);
});

test("a run that goes on from a model's own weights begins where it stood", async () => {
  const further = await remora(
    ...["pretrain", "--model", at("run/model"), "--data", `pairs=${at("pairs.tokens")}`, "--out", at("further"), "--max-steps", "2"],
    ...["--block-length", "64", "--batch-size", "2", "--compute", "f32", "--device", "cpu", "--threads", "2", "--log-every", "1", "--json"],
  );
  expect(further.code, further.err).toBe(0);
  expect(events(further.out).find((event) => event.event === "step-end")!.loss).toBeLessThan(4);
});

test("stopped and resumed: the same steps, the same model", async () => {
  // Seconds of work, so that a slow machine, too, hears of the interruption before the end.
  const steps = "200";
  const whole = await pretrain("whole", "--max-steps", steps);
  expect(whole.code, whole.err).toBe(0);
  const io = { ...fakeIo({}), library: loadLibrary };
  const write = io.stderr.write.bind(io.stderr);
  io.stderr.write = (text) => {
    write(text);
    if (text.includes(`step 4/${steps}`)) io.interrupt();
  };
  const words = (more: string[]) => [
    ...["pretrain", "--model", shape, "--data", `books=${at("books.tokens")}`, `pairs=${at("pairs.tokens")}`, "--out", at("parts")],
    ...["--block-length", "64", "--batch-size", "2", "--warmup-steps", "2", "--log-every", "2", "--learning-rate", "5e-3"],
    ...["--compute", "f32", "--device", "cpu", "--threads", "2", "--max-steps", steps, ...more],
  ];
  expect(await runCli(words([]), io), io.err()).toBe(130);
  const resumed = await remora(...words(["--resume"]));
  expect(resumed.code, resumed.err).toBe(0);
  expect(resumed.err).toContain("resumed behind step");
  expect(readFileSync(at("parts/model/model.safetensors")).equals(readFileSync(at("whole/model/model.safetensors")))).toBe(true);
});

test("bad input: names of sources, another tokenizer's tokens, a file that is none", async () => {
  const mix = await pretrain("bad", "--mix", "boks=1");
  expect([mix.code, mix.err]).toMatchInlineSnapshot(`
    [
      2,
      "error: Configuring remora pretrain
      mix.boks: expected one of the sources books, pairs, found "boks"
    ",
    ]
  `);
  const none = await remora("pretrain", "--model", shape, "--data", `books=${at("books.txt")}`, "--out", at("bad"), "--device", "cpu");
  expect([none.code, none.err]).toMatchInlineSnapshot(`
    [
      2,
      "error: Reading ./books.txt
      expected a token file (remoratk), found "Chapter "
      Make the file again with remora data tokenize.
    ",
    ]
  `);
  const other = readFileSync(at("books.tokens"));
  other[50] = other[50]! ^ 1;
  writeFileSync(at("other.tokens"), other);
  const foreign = await remora(
    "pretrain",
    "--model",
    shape,
    "--data",
    `books=${at("other.tokens")}`,
    "--out",
    at("bad"),
    "--device",
    "cpu",
  );
  expect([foreign.code, foreign.err]).toMatchInlineSnapshot(`
    [
      2,
      "error: Reading ./other.tokens
      expected tokens of this model's tokenizer, found those of another
      Make the file again with remora data tokenize and this model.
    ",
    ]
  `);
  expect(existsSync(at("bad"))).toBe(false);
});
