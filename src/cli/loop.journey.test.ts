/**
 * The whole loop of a user with a small GPU, on a random model of a few thousand parameters and a Hub on loopback: base and rows by name from
 * the Hub → QLoRA → push of the adapter, and of the model merged to 4 bits, over a network that fails → a second process, on a machine that has
 * nothing, asks by name and gets the same answer.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { everyFile, HubWorld, TOKEN } from "../hub/testing/hub-world.ts";
import { writeTinyModel } from "./testing/tiny-model.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ROWS = Array.from({ length: 60 }, (_, i) => ({
  instruction: "英語に。",
  input: `${i}匹の魚。`,
  output: `There is the ${i} of fish.`,
}));
const QUESTION = [
  "--instruction",
  "英語に。",
  "--input",
  "7匹の魚。",
  "--greedy",
  "--max-tokens",
  "24",
  "--compute",
  "f32",
  "--device",
  "cpu",
  "--threads",
  "2",
];

let world: HubWorld;
/** All that was ever printed. */
let printed = "";
beforeAll(async () => {
  world = await HubWorld.start({ partBytes: 40_000 });
});
afterAll(() => world[Symbol.asyncDispose]());

const at = (...parts: string[]) => join(world.root, ...parts);

/** `remora` as a process on the machine whose HF_HOME this is. */
function remora(machine: string, words: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const env = { ...process.env, ...world.env, HF_HOME: at(machine), NO_COLOR: "1" };
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, ...words], { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  return new Promise((resolve) =>
    child.on("close", (code) => {
      printed += out + err;
      resolve({ code, out, err });
    }),
  );
}

async function succeed(machine: string, words: string[]): Promise<string> {
  const { code, out, err } = await remora(machine, words);
  expect(code, err).toBe(0);
  return out;
}

describe("data → QLoRA → merge → push → another machine pulls by name and answers", () => {
  let answer = "";
  let folder = "";

  test("a base model and rows are published", async () => {
    const model = await writeTinyModel(at("base"));
    writeFileSync(join(model, "README.md"), "---\nlicense: apache-2.0\n---\n# tiny\n");
    mkdirSync(at("rows"));
    writeFileSync(at("rows", "train.jsonl"), ROWS.map((row) => JSON.stringify(row)).join("\n"));
    writeFileSync(at("rows", "test.jsonl"), JSON.stringify(ROWS[0]));
    expect(await succeed("first", ["push", model, "mira/tiny"])).toBe(`${world.server.endpoint}/mira/tiny\n`);
    expect(world.server.read("mira/tiny", "README.md")?.toString()).toContain("# tiny"); // a card that is there is kept
    await succeed("first", ["push", at("rows"), "mira/rows", "--type", "dataset"]);
  });

  test("a run takes both by name", async () => {
    const words = [
      "--model",
      "hf://mira/tiny",
      "--data",
      "hf://mira/rows",
      "--method",
      "qlora",
      "--max-steps",
      "6",
      "--block-length",
      "128",
    ];
    const more = [
      "--batch-size",
      "2",
      "--learning-rate",
      "2e-2",
      "--compute",
      "f32",
      "--device",
      "cpu",
      "--threads",
      "2",
      "--out",
      at("run"),
    ];
    expect(await succeed("first", ["train", ...words, ...more])).toBe(`${at("run", "adapter")}\n`);
    answer = await succeed("first", ["generate", "--model", "mira/tiny", "--base", "nf4", "--adapter", at("run", "adapter"), ...QUESTION]);
    expect(answer.trim()).not.toBe("");
  });

  test("a push that is interrupted again and again ends complete", async () => {
    for (const match of [/PUT .*\/2$/, /POST .*\/complete/, /POST .*\/commit\//]) {
      world.server.inject({ match, fault: { kind: "status", status: 500, headers: { "Retry-After": "900" } } });
      const { code, err } = await remora("first", ["push", at("run"), "lab/fish", "--private"]);
      expect(code).toBe(1);
      expect(err).toContain("Run the same command again");
      expect(world.server.read("lab/fish", "adapter_model.safetensors")).toBeUndefined();
    }
    await succeed("first", ["push", at("run"), "lab/fish", "--private"]);
    expect(
      world.server.read("lab/fish", "adapter_model.safetensors")?.equals(readFileSync(at("run", "adapter", "adapter_model.safetensors"))),
    ).toBe(true);
    expect(world.server.lines(/PUT .*\/1$/)).toHaveLength(2); // base and adapter, each its first part once
    expect(await succeed("first", ["push", at("run"), "lab/fish", "--json"]).then(JSON.parse)).toMatchObject({
      uploaded: [],
      private: true,
    });
  });

  test("the card tells about the run", () => {
    const card = world.server.read("lab/fish", "README.md")!.toString();
    expect(card).toContain("base_model: mira/tiny");
    expect(card).toContain("license: apache-2.0");
    expect(card).toMatch(/language:\n {2}- (ja|en)\n {2}- (ja|en)\n/);
    expect(card).toContain("datasets:\n  - mira/rows");
    expect(card).toContain("![Training and held-out loss over 6 steps](loss.png)");
    expect(card).not.toContain(world.root);
    expect(world.server.read("lab/fish", "loss.png")?.subarray(1, 4).toString()).toBe("PNG");
    expect(JSON.parse(world.server.read("lab/fish", "adapter_config.json")!.toString()).base_model_name_or_path).toBe("mira/tiny");
  });

  test("a second machine asks by name and gets the same answer, later without a network too", async () => {
    const words = ["generate", "--model", "mira/tiny", "--base", "nf4", "--adapter", "lab/fish", ...QUESTION];
    world.server.inject({ match: /GET \/objects/, fault: { kind: "drop-after", bytes: 30_000 }, times: 2 });
    expect(await succeed("second", words)).toBe(answer);
    const before = world.server.requests.length;
    expect(await succeed("second", [...words, "--offline"])).toBe(answer);
    folder = await succeed("second", ["pull", "lab/fish", "--offline"]);
    expect(world.server.requests.length).toBe(before);
    expect(
      readFileSync(join(folder.trim(), "adapter_model.safetensors")).equals(
        readFileSync(at("run", "adapter", "adapter_model.safetensors")),
      ),
    ).toBe(true);
    const { code, err } = await remora("third", [...words, "--offline"]);
    expect([code, err.replaceAll(world.root, "")]).toMatchInlineSnapshot(`
      [
        2,
        "error: Finding the model "mira/tiny"
        it is not in the Hugging Face cache (/third/hub)
        The network may not be used now: run \`remora pull mira/tiny\` where it may, or name something local.
      ",
      ]
    `);
  });

  test("merged to 4 bits and proven, it is published whole, and another machine loads it in 4 bits by its name alone", async () => {
    const merge = [
      "merge",
      "--adapter",
      at("run", "adapter"),
      "--format",
      "nf4",
      "--out",
      at("merged"),
      "--compute",
      "f32",
      "--device",
      "cpu",
    ];
    await succeed("first", [...merge, "--threads", "2"]);
    const { proof } = JSON.parse(readFileSync(at("merged", "save-report.json"), "utf8"));
    expect(proof.saved.retained).toBeGreaterThan(0.8);
    const ask = (model: string) => ["generate", "--model", model, ...QUESTION];
    const saved = await succeed("first", ask(at("merged")));

    world.server.inject({ match: /PUT .*\/1$/, fault: { kind: "status", status: 503, headers: { "Retry-After": "0" } } });
    await succeed("first", ["push", at("merged"), "lab/fish-nf4", "--run", at("run")]);
    const card = world.server.read("lab/fish-nf4", "README.md")!.toString();
    expect(card).toContain("base_model: mira/tiny");
    expect(card).toContain(`${(100 * proof.saved.retained).toFixed(2)}%`);
    expect(JSON.parse(world.server.read("lab/fish-nf4", "config.json")!.toString()).quantization_config).toMatchObject({
      load_in_4bit: true,
      bnb_4bit_quant_type: "nf4",
    });

    world.server.inject({ match: /GET \/objects/, fault: { kind: "drop-after", bytes: 20_000 }, times: 2 });
    expect(await succeed("fourth", ask("lab/fish-nf4"))).toBe(saved);
    expect(await succeed("fourth", [...ask("lab/fish-nf4"), "--offline"])).toBe(saved);
  });

  test("no token anywhere", () => {
    expect(printed).not.toContain(TOKEN);
    expect(printed).not.toContain("signature=");
    for (const [name, content] of everyFile(world.root)) expect(content.includes(TOKEN), name).toBe(false);
  });
});
