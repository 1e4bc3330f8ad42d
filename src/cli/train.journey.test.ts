/**
 * A user's whole path on a random model of a few thousand parameters: train, look at the run's folder, stop, resume, ask; and every bad input,
 * which must end with its message and exit code, nothing written and nothing lost.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TrainEvent } from "../training/events.ts";
import { loadLibrary } from "./library.ts";
import { runCli } from "./run-cli.ts";
import { fakeIo } from "./testing/fake-io.ts";
import { writeTinyModel, writeTinyModelOf } from "./testing/tiny-model.ts";

let folder = "";
let model = "";
let data = "";

const ROWS = Array.from({ length: 60 }, (_, i) => ({ instruction: "英語に。", input: `${i}匹の魚。`, output: `${i} fish.` }));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "remora-train-"));
  model = await writeTinyModel(join(folder, "model"));
  data = join(folder, "rows.jsonl");
  writeFileSync(data, ROWS.map((row) => JSON.stringify(row)).join("\n"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function remora(words: string[], hooks: { onErr?: (text: string, io: ReturnType<typeof fakeIo>) => void } = {}) {
  const io = { ...fakeIo({}), library: loadLibrary };
  const write = io.stderr.write.bind(io.stderr);
  io.stderr.write = (text) => {
    write(text);
    hooks.onErr?.(text, io);
  };
  const code = await runCli([...words, "--device", "cpu", "--threads", "2"], io);
  return { code, out: io.out(), err: io.err().replaceAll(folder, ".") };
}
/** For commands that take no device. */
async function remoraWithout(words: string[]) {
  const io = { ...fakeIo({}), library: loadLibrary };
  return { code: await runCli(words, io), out: io.out(), err: io.err() };
}
const train = (out: string, ...more: string[]) => ["train", "--model", model, "--data", data, "--out", join(folder, out), ...more];
const events = (out: string) =>
  out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as TrainEvent);
const losses = (list: TrainEvent[]) => list.flatMap((event) => (event.event === "step-end" ? [event.loss] : []));

const SHORT = ["--max-steps", "8", "--block-length", "128", "--batch-size", "2", "--learning-rate", "5e-3", "--compute", "f32"];
/** Seconds of work, so that a slow machine, too, hears of an interruption before the end. */
const LONGER = [...SHORT, "--max-steps", "60"];

describe("train", () => {
  test("LoRA: the loss falls, and the run's folder holds what it should", async () => {
    const { code, out, err } = await remora(train("lora", ...SHORT, "--json"));
    expect(code, err).toBe(0);
    const list = events(out);
    expect(list[0]).toMatchObject({ event: "run-start", method: "lora", device: "cpu", steps: 8, startStep: 0 });
    expect(list.at(-1)).toMatchObject({ event: "run-end", reason: "completed", steps: 8, adapterPath: join(folder, "lora", "adapter") });
    const falling = losses(list);
    expect(falling).toHaveLength(8);
    expect(falling.at(-1)!).toBeLessThan(falling[0]!);
    const names = readdirSync(join(folder, "lora"));
    expect(names).toEqual(expect.arrayContaining(["adapter", "checkpoints", "config.json", "metrics.jsonl"]));
    expect(readdirSync(join(folder, "lora", "adapter")).sort()).toEqual(
      expect.arrayContaining(["adapter_config.json", "adapter_model.safetensors"]),
    );
    const config = JSON.parse(readFileSync(join(folder, "lora", "config.json"), "utf8"));
    expect(config).toMatchObject({ method: "lora", maxSteps: 8, lora: { rank: 16, alpha: 16 } });
    expect(config.reasons["lora.alpha"]).toBe("equal to the rank: scale 1");
    const metrics = readFileSync(join(folder, "lora", "metrics.jsonl"), "utf8")
      .trim()
      .split("\n");
    expect(metrics.filter((line) => JSON.parse(line).event === "step-end")).toHaveLength(8);
  });

  test.each(["qlora", "full"])("%s: the loss falls", async (method) => {
    const { code, out, err } = await remora(train(method, ...SHORT, "--method", method, "--json"));
    expect(code, err).toBe(0);
    const falling = losses(events(out));
    expect(falling.at(-1)!).toBeLessThan(falling[0]!);
  });

  test("full on a GGUF file is full on the folder that it was made from", async () => {
    const gguf = join(folder, "gguf");
    const saved = await remora(["merge", "--model", model, "--format", "gguf:f32", "--out", gguf]);
    expect(saved.code, saved.err).toBe(0);
    const rows = ["--data", data, "--template", "instruct", "--method", "full", "--json"];
    const run = async (base: string, out: string) => {
      const { code, out: printed, err } = await remora(["train", "--model", base, ...rows, ...SHORT, "--out", join(folder, out)]);
      expect(code, err).toBe(0);
      return losses(events(printed));
    };
    const expected = await run(model, "full-folder");
    const found = await run(gguf, "full-gguf");
    for (const [step, loss] of expected.entries()) expect(found[step]).toBeCloseTo(loss, 4);
    expect(readdirSync(join(folder, "full-gguf", "model"))).toEqual(
      expect.arrayContaining(["config.json", "model.safetensors", "tokenizer.json"]),
    );
  });

  test("compute fp8: emulated on the CPU, near bf16 and not equal to it; the plan says what the weights are", async () => {
    const short = [...SHORT.slice(0, -1)];
    const [fp8, bf16] = await Promise.all(
      ["fp8", "bf16"].map(async (compute) => {
        const { code, out, err } = await remora(train(`compute-${compute}`, ...short, compute, "--method", "qlora", "--json"));
        expect(code, err).toBe(0);
        const warned = events(out).some((event) => event.event === "warning" && event.code === "fp8-emulated");
        expect(warned).toBe(compute === "fp8");
        return losses(events(out));
      }),
    );
    expect(fp8!.at(-1)!).toBeLessThan(fp8![0]!);
    expect(fp8).not.toEqual(bf16);
    for (const [step, loss] of fp8!.entries()) expect(Math.abs(loss / bf16![step]! - 1)).toBeLessThan(0.02);
    expect(JSON.parse(readFileSync(join(folder, "compute-fp8", "config.json"), "utf8"))).toMatchObject({ compute: "fp8", base: "nf4" });
    const plan = await remora(["plan", "--model", model, "--data", data, "--compute", "fp8", "--method", "qlora", "--json"]);
    const { items } = JSON.parse(plan.out.trim().split("\n").at(-1)!) as { items: { name: string; why: string }[] };
    expect(items.find(({ name }) => name === "base weights")!.why).toContain("e4m3 made from nf4");
  });

  test("compute fp8 is refused for all weights and for a model whose sizes are no multiples of 16", async () => {
    const full = await remora(train("fp8-full", ...SHORT.slice(0, -1), "fp8", "--method", "full"));
    expect(full.code).toBe(2);
    expect(full.err).toContain("compute: expected auto, bf16, f16 or f32, because all weights are trained");
    const odd = await writeTinyModelOf(join(folder, "odd"), { intermediate_size: 136 });
    const { code, err } = await remora([
      "train",
      "--model",
      odd,
      "--data",
      data,
      "--out",
      join(folder, "fp8-odd"),
      ...SHORT.slice(0, -1),
      "fp8",
    ]);
    expect(code).toBe(2);
    expect(err).toContain(
      "compute fp8 model.layers.0.mlp.gate_proj.weight\n  expected multiples of 16, found [136, 64]\n  Use compute bf16.",
    );
    expect(existsSync(join(folder, "fp8-odd"))).toBe(false);
  });

  test("two equal runs are equal to the bit; Ctrl-C writes a checkpoint, and --resume goes on exactly there", async () => {
    const whole = await remora(train("whole", ...LONGER, "--lora-dropout", "0.1", "--json"));
    const again = await remora(train("again", ...LONGER, "--lora-dropout", "0.1", "--json"));
    expect(losses(events(again.out))).toEqual(losses(events(whole.out)));

    const io = { ...fakeIo({}), library: loadLibrary };
    const write = io.stdout.write.bind(io.stdout);
    io.stdout.write = (text) => {
      write(text);
      if (text.includes('"event":"step-end","step":3,')) io.interrupt();
    };
    const words = [...train("stopped", ...LONGER, "--lora-dropout", "0.1", "--json"), "--device", "cpu", "--threads", "2"];
    expect(await runCli(words, io), io.err()).toBe(130);
    const first = events(io.out());
    expect(first.at(-1)).toMatchObject({ event: "run-end", reason: "interrupted" });
    expect(io.exits).toEqual([]);
    const resumed = await remora(train("stopped", ...LONGER, "--lora-dropout", "0.1", "--json", "--resume"));
    expect(resumed.code, resumed.err).toBe(0);
    const second = events(resumed.out);
    const start = second[0] as Extract<TrainEvent, { event: "run-start" }>;
    expect(start.startStep).toBeGreaterThanOrEqual(3);
    expect([...losses(first).slice(0, start.startStep), ...losses(second)]).toEqual(losses(events(whole.out)));
    const weights = (out: string) => readFileSync(join(folder, out, "adapter", "adapter_model.safetensors"));
    expect(weights("stopped").equals(weights("whole"))).toBe(true);
  });

  test("an earlier run is not touched without --resume or --force", async () => {
    await remora(train("kept", ...SHORT, "--max-steps", "1"));
    const before = readFileSync(join(folder, "kept", "metrics.jsonl"), "utf8");
    const { code, err } = await remora(train("kept", ...SHORT));
    expect({ code, err }).toMatchInlineSnapshot(`
      {
        "code": 2,
        "err": "error: Preparing to write ./kept
        expected nothing there, found an earlier run
        Go on from it with --resume, replace it with --force, or choose another --out.
      ",
      }
    `);
    expect(readFileSync(join(folder, "kept", "metrics.jsonl"), "utf8")).toBe(before);
    expect((await remora(train("kept", ...SHORT, "--max-steps", "1", "--force"))).code).toBe(0);
  });
});

describe("look before", () => {
  test("doctor: every kernel agrees with the reference", async () => {
    const { code, out, err } = await remoraWithout(["doctor", "--json"]);
    expect(code, err).toBe(0);
    const report = JSON.parse(out);
    expect(report.kernels.length).toBeGreaterThan(5);
    expect(report.kernels.filter((kernel: { ok: boolean }) => !kernel.ok)).toEqual([]);
    expect(report.cpu.isas.find((isa: { name: string }) => isa.name === report.cpu.chosen)).toMatchObject({ available: true });
  });

  test("plan: the parts add up, and nothing is written", async () => {
    const { code, out, err } = await remora(["plan", "--model", model, "--data", data, "--out", join(folder, "planned"), "--json"]);
    expect(code, err).toBe(0);
    const plan = JSON.parse(out);
    expect(plan.fits).toBe(true);
    expect(plan.items.reduce((sum: number, item: { bytes: number }) => sum + item.bytes, 0)).toBeCloseTo(plan.totalBytes, 0);
    expect(plan.reasons["lora.alpha"]).toBe("equal to the rank: scale 1");
    expect(existsSync(join(folder, "planned"))).toBe(false);
  });
});

describe("ask", () => {
  test("base and adapter, streamed; equal seeds give equal answers; rows equal single questions", async () => {
    const adapter = join(folder, "lora", "adapter");
    if (!existsSync(adapter)) await remora(train("lora", ...SHORT));
    const ask = (...more: string[]) =>
      remora([
        "generate",
        "--model",
        model,
        "--max-tokens",
        "12",
        "--compute",
        "f32",
        "--instruction",
        "英語に。",
        "--input",
        "3匹の魚。",
        ...more,
      ]);
    const base = await ask("--greedy");
    const tuned = await ask("--greedy", "--adapter", adapter);
    expect([base.code, tuned.code], base.err + tuned.err).toEqual([0, 0]);
    expect((await ask("--greedy", "--adapter", adapter)).out).toBe(tuned.out);
    const [a, b] = [await ask("--seed", "7"), await ask("--seed", "7")];
    expect(a.out).toBe(b.out);
    const out = join(folder, "answers.jsonl");
    const questions = join(folder, "questions.jsonl");
    writeFileSync(
      questions,
      ROWS.slice(0, 5)
        .map(({ instruction, input }) => JSON.stringify({ instruction, input }))
        .join("\n"),
    );
    const rows = [
      "generate",
      "--model",
      model,
      "--adapter",
      adapter,
      "--greedy",
      "--max-tokens",
      "12",
      "--compute",
      "f32",
      "--rows",
      questions,
      "--out",
      out,
    ];
    expect((await remora(rows)).code).toBe(0);
    const answers = readFileSync(out, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(answers).toHaveLength(5);
    expect(`${answers[3].answer}\n`.replace(/\n+$/, "\n")).toBe(tuned.out.replace(/\n+$/, "\n"));
  });
});

describe("bad input: its message, its exit code, nothing written", () => {
  const file = (name: string, content: string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  async function damaged(name: string, damage: (path: string) => void) {
    const path = await writeTinyModel(join(folder, name));
    damage(path);
    return path;
  }
  const cases: [string, number, () => Promise<string[]> | string[]][] = [
    [
      "a truncated safetensors file",
      2,
      async () => ["--model", await damaged("cut", (path) => truncateSync(join(path, "model.safetensors"), 5000))],
    ],
    [
      "a hostile header",
      2,
      async () => ["--model", await damaged("hostile", (path) => writeFileSync(join(path, "model.safetensors"), Buffer.alloc(64, 0xff)))],
    ],
    ["an unknown model_type", 2, async () => ["--model", await writeTinyModel(join(folder, "mamba"), { model_type: "mamba" })]],
    ["a tokenizer that does not fit the vocabulary", 2, async () => ["--model", await damaged("misfit", (path) => addTokens(path, 50))]],
    ["no such model", 2, () => ["--model", join(folder, "absent")]],
    ["a missing field", 2, () => ["--data", file("missing.jsonl", '{"instruction":"a","output":"b"}\n{"instruction":"a"}')]],
    ["rows longer than the block", 2, () => ["--block-length", "16", "--long-rows", "error"]],
    ["a template that trains nothing", 2, () => ["--template", file("nothing.jinja", "{{ instruction }} {{ input }}")]],
    ["targets that match nothing", 2, () => ["--lora-targets", "c_attn"]],
    ["both base and method say how weights stay", 2, () => ["--method", "qlora", "--base", "f32"]],
  ];
  test.each(cases)("%s", async (_, code, words) => {
    const given = await words();
    const out = join(folder, "untouched");
    const io = { ...fakeIo({}), library: loadLibrary };
    // Later flags win, so a case replaces what it is about.
    const all = [
      "train",
      "--model",
      model,
      "--data",
      data,
      "--out",
      out,
      "--max-steps",
      "1",
      "--threads",
      "2",
      "--device",
      "cpu",
      ...given,
    ];
    const exit = await runCli(all, io);
    expect({ exit, out: io.out() }, io.err()).toEqual({ exit: code, out: "" });
    expect(io.err().replaceAll(folder, ".")).toMatchSnapshot();
    expect(existsSync(out)).toBe(false);
  });

  test("no GPU: which one, why, and what works", async () => {
    const out = join(folder, "untouched");
    const { code, err } = await remoraWithout(["train", "--model", model, "--data", data, "--out", out, "--device", "cuda:77"]);
    expect(code, err).toBe(2);
    expect(err).toMatch(/^error: .*cuda:77/);
    expect(err.trim().split("\n").length).toBeGreaterThanOrEqual(3);
    expect(existsSync(out)).toBe(false);
  });

  test("NaN: the run stops at once and says where", async () => {
    const { code, err } = await remora(train("nan", ...SHORT, "--method", "full", "--learning-rate", "1e30"));
    expect(code, err).toBe(1);
    expect(err).toMatch(/step \d/);
    expect(err).toMatch(/learning/i);
  });

  test("too little memory is refused before loading, with the plan", async () => {
    const large = await writeTinyModel(join(folder, "large"));
    const config = JSON.parse(readFileSync(join(large, "config.json"), "utf8"));
    writeFileSync(
      join(large, "config.json"),
      JSON.stringify({ ...config, hidden_size: 65536, intermediate_size: 262144, num_hidden_layers: 200 }),
    );
    const plan = await remora(["plan", "--model", large, "--json"]);
    expect(plan.code, plan.err).toBe(1);
    expect(JSON.parse(plan.out)).toMatchObject({ fits: false });
    const { code, err } = await remora(["train", "--model", large, "--data", data, "--out", join(folder, "never"), "--max-steps", "1"]);
    expect(code, err).not.toBe(0);
    expect(existsSync(join(folder, "never"))).toBe(false);
  });
});

/** Adds tokens that the embedding has no rows for. */
function addTokens(path: string, count: number): void {
  const file = join(path, "tokenizer.json");
  const json = JSON.parse(readFileSync(file, "utf8"));
  for (let i = 0; i < count; i++) json.added_tokens.push({ ...json.added_tokens[0], id: 258 + i, content: `<extra_${i}>` });
  writeFileSync(file, JSON.stringify(json));
  expect(statSync(file).size).toBeGreaterThan(0);
}
