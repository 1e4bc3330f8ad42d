import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { SaveReport } from "../../config/reports.ts";
import { detectLanguages } from "./languages.ts";
import { drawLossCurve, niceTicks } from "./loss-curve.ts";
import { publicName } from "./run-facts.ts";
import { writeCard } from "./write-card.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "remora-card-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (path: string, content: unknown) => {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), typeof content === "string" ? content : JSON.stringify(content));
};
const card = async (folder: string, more: { run?: string; replace?: boolean } = {}) => {
  const options = {
    folder: join(root, folder),
    repository: "mira/fish",
    run: more.run && join(root, more.run),
    replace: more.replace ?? false,
  };
  return { path: await writeCard({ ...options, env: { HOME: root } }), text: readFileSync(join(root, folder, "README.md"), "utf8") };
};

const PROOF: SaveReport = {
  remora: "0.1.0",
  format: "nf4",
  out: "merged",
  base: { model: "mistralai/Nemo", storedAs: "bf16", trainedAs: "nf4" },
  adapters: [{ path: "run/adapter", weight: 1 }],
  mergeBase: { used: "original", reason: "asked for" },
  files: [],
  bytes: 1,
  tensors: {},
  seconds: { write: 3, proof: 1 },
  peakMemoryBytes: 1,
  largestTensorBytes: 1,
  proof: {
    data: "held-out rows of run/config.json",
    rows: 1,
    tokens: 1,
    device: "cpu",
    compute: "f32",
    saved: { kl: 0.01, worstKl: 0.0312, retained: 0.9234, top1: 0.981, perplexity: 4.31 },
    tuned: { perplexity: 4.2 },
    base: { kl: 0.13, perplexity: 9.1 },
    mergeBases: { original: { kl: 0, retained: 1 }, trained: { kl: 0, retained: 1 } },
    required: { measure: "retained", value: 0.8 },
    checks: [{ name: "end of text", ok: true, detail: "id 2" }],
    worst: { prompt: "", expected: "", kl: 0, tuned: "", saved: "" },
    passed: true,
  },
};

function writeRun(): void {
  write("run/config.json", {
    model: "hf://mistralai/Nemo@v1",
    data: [join(root, "secret-place/rows.jsonl"), "hf://mira/rows"],
    method: "qlora",
    template: "instruct",
    lora: { rank: 16, alpha: 32, targets: ["q_proj", "v_proj"] },
    epochs: 2,
    batchSize: 4,
    blockLength: 2048,
    gradientAccumulation: 2,
    learningRate: 2e-4,
    schedule: "cosine",
    seed: 7,
  });
  write(
    "secret-place/rows.jsonl",
    `${JSON.stringify({ input: "雨が降っています。".repeat(9), output: "It is raining in the town and we are late." })}\n`.repeat(4),
  );
  const steps = Array.from({ length: 50 }, (_, i) => ({ event: "step-end", step: i + 1, loss: 3 / (1 + i / 9) }));
  const events = [
    { event: "run-start", rows: 1200, validationRows: 60 },
    ...steps,
    { event: "eval-end", step: 0, loss: 3.1, perplexity: 22.2 },
    { event: "eval-end", step: 50, loss: 0.9, perplexity: 2.46 },
    { event: "run-end", steps: 50, lossFirst: 3, lossLast: 0.4654, validationLossFirst: 3.1, validationLossBest: 0.9, bestStep: 50 },
  ];
  write("run/metrics.jsonl", `${events.map((event) => JSON.stringify(event)).join("\n")}\n{"event":"step-e`);
}

describe("writeCard", () => {
  it("tells about a merged model: base, data, figures, proof, how to use it", async () => {
    writeRun();
    write("merged/config.json", { quantization_config: { load_in_4bit: true } });
    write("merged/save-report.json", PROOF);
    write(".cache/huggingface/hub/models--mistralai--Nemo/refs/main", "a".repeat(40));
    write(
      `.cache/huggingface/hub/models--mistralai--Nemo/snapshots/${"a".repeat(40)}/README.md`,
      "---\nlicense: apache-2.0\nlanguage: [fr]\n---\n",
    );
    const { text } = await card("merged", { run: "run" });
    expect(text).toMatchInlineSnapshot(`
      "---
      language:
        - ja
        - en
      license: apache-2.0
      library_name: transformers
      pipeline_tag: text-generation
      base_model: mistralai/Nemo
      base_model_relation: finetune
      datasets:
        - mira/rows
      tags:
        - remora
        - 4-bit
        - bitsandbytes
        - nf4
        - qlora
      ---

      # fish

      A model in 4 bits (NF4, bitsandbytes' layout) made from [mistralai/Nemo](https://huggingface.co/mistralai/Nemo), tuned with remora.

      ## Use it

      **remora**

      \`\`\`sh
      npx remora generate --model hf://mira/fish --instruction "…" --input "…"
      \`\`\`

      **Transformers (with bitsandbytes installed)**

      \`\`\`python
      from transformers import AutoModelForCausalLM, AutoTokenizer

      model = AutoModelForCausalLM.from_pretrained("mira/fish", device_map="auto")
      tokenizer = AutoTokenizer.from_pretrained("mira/fish")
      \`\`\`

      ## How it was made

      | | |
      |---|---|
      | data | rows.jsonl, [mira/rows](https://huggingface.co/datasets/mira/rows) |
      | rows | 1,200 trained on, 60 held out |
      | template | instruct |
      | method | qlora, rank 16, alpha 32 |
      | linears | q_proj, v_proj |
      | steps | 50, 2 epochs |
      | batch | 4 × 2048 tokens, 2 passes a step |
      | learning rate | 0.0002, cosine |
      | seed | 7 |
      | training loss | 3 → 0.4654 |
      | held-out loss | 3.1 → **0.9** (step 50) |
      | held-out perplexity | 22.2 → **2.46** |

      ![Training and held-out loss over 50 steps](loss.png)

      ## Proof of the save

      After saving, the files were opened again and compared with the model as it was tuned, in memory, on held-out rows.

      | | |
      |---|---|
      | saved as | nf4 |
      | merged into | original weights |
      | of what was learnt, kept | 92.34% |
      | likeliest token agrees | 98.10% |
      | worst prompt, KL | 0.0312 nats |
      | perplexity | 9.1 base, 4.2 tuned, 4.31 as saved |
      | end of text | ✓ id 2 |
      "
    `);
    expect(text).not.toContain("secret-place");
    expect(readFileSync(join(root, "merged/loss.png")).length).toBeGreaterThan(1000);
  });

  it("finds the run beside an adapter, and says little about what nobody knows", async () => {
    writeRun();
    write("run/adapter/adapter_config.json", { base_model_name_or_path: "/home/somebody/models/nemo" });
    expect((await card("run/adapter")).text).toContain("A LoRA adapter for nemo, tuned with remora.");
    expect((await card("run/adapter")).text).not.toMatch(/somebody|base_model:/);
    write("bare/model.q8_0.gguf", "");
    const { text } = await card("bare");
    expect(text).toMatchInlineSnapshot(`
      "---
      library_name: gguf
      pipeline_tag: text-generation
      tags:
        - remora
        - gguf
        - llama.cpp
      ---

      # fish

      A GGUF model, tuned with remora.

      ## Use it

      **remora**

      \`\`\`sh
      npx remora generate --model hf://mira/fish "…"
      npx remora chat --model hf://mira/fish
      \`\`\`

      **llama.cpp**

      \`\`\`sh
      llama-cli -hf mira/fish
      \`\`\`

      **Ollama**

      \`\`\`sh
      ollama run hf.co/mira/fish
      \`\`\`
      "
    `);
  });

  it("keeps a card that somebody wrote, unless told otherwise", async () => {
    write("bare/README.md", "mine");
    expect(await card("bare")).toEqual({ path: undefined, text: "mine" });
    expect((await card("bare", { replace: true })).text).toContain("tuned with remora");
  });

  it("takes a save report of another shape as far as it goes", async () => {
    write("bare/save-report.json", { format: "16bit", retained: "n/a", checks: "none", perplexity: null, later: {} });
    expect((await card("bare")).text).toContain("| saved as | 16bit |");
  });
});

describe("its parts", () => {
  it("draws a PNG that reads back: white, axes, both curves", () => {
    const png = Buffer.from(
      drawLossCurve(
        [
          { step: 1, loss: 3 },
          { step: 2, loss: 2 },
          { step: 3, loss: 1 },
        ],
        [{ step: 1, loss: 2.5 }],
      )!,
    );
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([960, 420]);
    const length = png.readUInt32BE(33);
    const pixels = inflateSync(png.subarray(41, 41 + length));
    expect(pixels.length).toBe(420 * (960 * 3 + 1));
    const colours = new Set<string>();
    for (let row = 0; row < 420; row++) {
      for (let x = 0; x < 960; x++) {
        const at = row * 2881 + 1 + 3 * x;
        colours.add(pixels.subarray(at, at + 3).join());
      }
    }
    for (const colour of ["255,255,255", "66,133,214", "219,109,40", "60,60,67"]) expect(colours.has(colour)).toBe(true);
    expect(drawLossCurve([{ step: 1, loss: Number.NaN }], [])).toBeUndefined();
  });

  it.each([
    [0.41, 3, [0, 1, 2, 3]],
    [0, 100, [0, 25, 50, 75, 100]],
    [2, 2, [2, 2.5]],
  ])("ticks from %d to %d", (low, high, expected) => expect(niceTicks(low, high)).toEqual(expected));

  it.each([
    ["雨が降っています。".repeat(9), ["ja"]],
    ["It is raining in the town and the dog is of the opinion that we are late.", ["en"]],
    [`${"雨が降っています。".repeat(9)}It is raining in the town and the dog is late.`, ["ja", "en"]],
    ["今天天气很好，我们去公园散步吧。".repeat(4), ["zh"]],
    ["Сегодня хорошая погода, и мы пойдём гулять в парк.".repeat(2), ["ru"]],
    ["function foo(bar) { return baz + qux * 2; } const xyzzy = plugh;", []],
    ["Hi.", []],
  ])("language of %s", (text, expected) => expect(detectLanguages(text)).toEqual(expected));

  it.each([
    ["hf://a/b@main", { name: "a/b", onHub: true }],
    ["hf://datasets/a/b/x.jsonl", { name: "a/b", onHub: true }],
    ["a/b", { name: "a/b", onHub: true }],
    ["/x/hub/models--a--b/snapshots/0123/config.json", { name: "a/b", onHub: true }],
    ["/home/me/model", { name: "model", onHub: false }],
    ["C:\\Users\\me\\rows.csv", { name: "rows.csv", onHub: false }],
    ["examples/translate/train.jsonl", { name: "train.jsonl", onHub: false }],
    ["remora-tiny", { name: "remora-tiny", onHub: false }],
  ])("%s in public", (name, expected) => expect(publicName(name)).toEqual(expected));

  it("is YAML that parses", async () => {
    write("bare/config.json", {});
    const { text } = await card("bare");
    expect(parse(text.split("---")[1]!)).toEqual({ library_name: "transformers", pipeline_tag: "text-generation", tags: ["remora"] });
  });
});
