import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resolveAdapter } from "./resolve-adapter.ts";
import { resolveData } from "./resolve-data.ts";
import { resolveModel } from "./resolve-model.ts";
import { HubWorld, someBytes } from "./testing/hub-world.ts";

let world: HubWorld;
beforeEach(async () => {
  world = await HubWorld.start();
});
afterEach(() => world[Symbol.asyncDispose]());

const options = (offline = false) => ({ offline, env: world.env });
const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "nothing was thrown",
    (error: Error) => error.message.replaceAll(world.root, "").replaceAll(/127\.0\.0\.1:\d+/g, "HOST"),
  );
const names = (folder: string) => readdirSync(folder).sort();

describe("a model by name", () => {
  const MODEL = { "config.json": "{}", "tokenizer.json": "{}", "model.safetensors": someBytes(1000) };

  it("is pulled once, without copies for other programs, and then used without asking the network", async () => {
    world.server.seed("lab/nemo", {
      ...MODEL,
      "consolidated.safetensors": someBytes(1000, 2),
      "pytorch_model.bin": someBytes(1000, 3),
      "onnx/model.onnx": someBytes(10),
      "nemo.gguf": someBytes(10, 4),
    });
    const { path, origin, repository, commit } = await resolveModel("lab/nemo", options());
    expect({ origin, repository }).toEqual({ origin: "hub", repository: "lab/nemo" });
    expect(commit).toMatch(/^[0-9a-f]{40}$/);
    expect(names(path)).toEqual([".gitattributes", "config.json", "model.safetensors", "tokenizer.json"]);
    const before = world.server.requests.length;
    expect((await resolveModel("hf://lab/nemo", options())).path).toBe(path);
    expect((await resolveModel("hf://lab/nemo", options(true))).path).toBe(path);
    expect(world.server.requests.length).toBe(before);
  });

  it("is completed when another tool left a part of it", async () => {
    const commit = world.server.seed("lab/nemo", MODEL);
    const folder = join(world.cache, "models--lab--nemo");
    mkdirSync(join(folder, "snapshots", commit), { recursive: true });
    mkdirSync(join(folder, "refs"));
    writeFileSync(join(folder, "refs/main"), commit);
    writeFileSync(join(folder, "snapshots", commit, "config.json"), "{}");
    const { path } = await resolveModel("lab/nemo", options());
    expect(existsSync(join(path, "model.safetensors"))).toBe(true);
  });

  it("of many GGUF files is one of them", async () => {
    world.server.seed("lab/quants", { "a.Q4_K_M.gguf": someBytes(10), "a.Q8_0.gguf": someBytes(20), "README.md": "# a" });
    expect(await refusal(resolveModel("lab/quants", options()))).toMatchInlineSnapshot(`
      "Choosing the files of lab/quants: the repository holds 2 GGUF models
        Name one of them behind the repository, as owner/name/file.gguf, or take everything with --all:
      a.Q4_K_M.gguf, a.Q8_0.gguf"
    `);
    const { path, kind } = await resolveModel("lab/quants/a.Q8_0.gguf", options());
    expect(kind).toBe("file");
    expect(readFileSync(path)).toEqual(someBytes(20));
    expect(existsSync(join(path, "../a.Q4_K_M.gguf"))).toBe(false);
    await resolveModel("lab/quants/a.Q4_K_M.gguf", options());
    expect(await refusal(resolveModel("lab/quants/b.gguf", options()))).toMatchInlineSnapshot(`
      "Choosing the files of lab/quants: the repository has no b.gguf
        It has a.Q4_K_M.gguf, a.Q8_0.gguf."
    `);
  });

  it("that is an adapter says so", async () => {
    world.server.seed("lab/lora", { "adapter_config.json": "{}", "adapter_model.safetensors": someBytes(10) });
    expect(await refusal(resolveModel("lab/lora", options()))).toContain("holds an adapter, not a model");
  });
});

describe("an adapter by name", () => {
  it("is pulled without the run's checkpoints; a folder stays a folder", async () => {
    world.server.seed("lab/lora", {
      "adapter_config.json": "{}",
      "adapter_model.safetensors": someBytes(10),
      "checkpoint-5/optimizer.bin": someBytes(9),
    });
    const folder = await resolveAdapter("lab/lora", options());
    expect(names(folder)).toEqual([".gitattributes", "adapter_config.json", "adapter_model.safetensors"]);
    expect(await resolveAdapter("hf://lab/lora", options(true))).toBe(folder);
    expect(await resolveAdapter(folder, options(true))).toBe(folder);
    expect(await resolveAdapter("./run/adapter", options())).toBe("./run/adapter");
  });

  it("that is a model says so", async () => {
    world.server.seed("lab/model", { "config.json": "{}" });
    expect(await refusal(resolveAdapter("lab/model", options()))).toMatch(
      /has no adapter_config\.json and no adapter_model\.safetensors\n {2}Name a repository that holds a LoRA adapter/,
    );
  });
});

describe("data by name", () => {
  const find = async (name: string, offline = false) =>
    (await resolveData([name], options(offline))).map((path) => path.replace(/^.*snapshots\/[0-9a-f]{40}\//, ""));

  it("is the training split by its names, or by what the card says", async () => {
    world.server.seed(
      "lab/rows",
      { "data/train-0.jsonl": "{}", "data/train-1.jsonl": "{}", "data/test-0.jsonl": "{}", "notes.png": someBytes(9) },
      "dataset",
    );
    expect(await find("hf://lab/rows")).toEqual(["data/train-0.jsonl", "data/train-1.jsonl"]);
    expect(await find("hf://datasets/lab/rows/data/test-0.jsonl")).toEqual(["data/test-0.jsonl"]);
    expect(await find("hf://lab/rows@main/data/*-1.jsonl")).toEqual(["data/train-1.jsonl"]);
    expect(await find("hf://lab/rows", true)).toEqual(["data/train-0.jsonl", "data/train-1.jsonl"]);
    const card =
      "---\nconfigs:\n- config_name: en\n  data_files:\n  - split: train\n    path: en/*.csv\n  - split: dev\n    path: other.csv\n---\n";
    world.server.seed("lab/carded", { "README.md": card, "en/a.csv": "x", "en/b.csv": "x", "ja/a.csv": "x", "other.csv": "x" }, "dataset");
    expect(await find("hf://lab/carded")).toEqual(["en/a.csv", "en/b.csv"]);
    world.server.seed("lab/plain", { "a.json": "[]", "dataset_info.json": "{}" }, "dataset");
    expect(await find("hf://lab/plain")).toEqual(["a.json"]);
  });

  it("leaves paths alone, and says what is wrong with a name", async () => {
    expect(await resolveData(["rows.jsonl", "a/b.csv"], options())).toEqual(["rows.jsonl", "a/b.csv"]);
    world.server.seed("lab/rows", { "train.jsonl": "{}" }, "dataset");
    expect(await refusal(find("hf://lab/rows/none.csv"))).toMatchInlineSnapshot(`
      "Reading hf://lab/rows/none.csv: the repository has no none.csv
        It has train.jsonl: name one as hf://lab/rows/train.jsonl."
    `);
    expect(await refusal(find("hf://lab"))).toContain("this is not a way to name data on the Hub");
    expect(await refusal(find("hf://lab/../x"))).toContain("this is not a way to name data on the Hub");
    expect(await refusal(find("hf://lab/other", true))).toMatchInlineSnapshot(`
      "Reading hf://lab/other: it is not in the Hugging Face cache (/home/hub)
        The network may not be used now: run \`remora pull hf://datasets/lab/other\` where it may, or name something local."
    `);
  });
});
