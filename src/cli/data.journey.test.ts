import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "./run-cli.ts";
import { fakeIo } from "./testing/fake-io.ts";
import { writeTinyModel } from "./testing/tiny-model.ts";

let folder = "";
let model = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "remora-data-"));
  model = await writeTinyModel(join(folder, "model"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
async function remora(...words: string[]) {
  const io = fakeIo({});
  const code = await runCli(words, io);
  return { code, out: io.out(), err: io.err().replaceAll(folder, ".") };
}

const ROWS = [
  { instruction: "英語に。", input: "雨。", output: "Rain." },
  { instruction: "英語に。", input: "風。", output: "Wind." },
  { instruction: "英語に。", input: "雨。", output: "Rain." },
];
const rows = () => file("rows.jsonl", ROWS.map((row) => JSON.stringify(row)).join("\n"));

describe("remora data preview", () => {
  test("shows rows with their trained tokens, begin- and end-of-text once", async () => {
    const { code, out, err } = await remora("data", "preview", "--model", model, "--data", rows(), "--rows", "1", "--skip", "1");
    expect({ code, err }).toEqual({ code: 0, err: "template instruct (instruct: rows have instruction)\n" });
    expect(out).toMatchInlineSnapshot(`
      "⟦trained⟧ · not trained · ‹special token›

      — row 2 · 71 tokens, 6 trained —
      ‹<s>›### Instruction:⏎
      英語に。⏎
      ⏎
      ### Input:⏎
      風。⏎
      ⏎
      ### Response:⏎
      ⟦Wind.‹</s>›⟧
      "
    `);
  });

  test("messages go through the model's chat template; every answer is trained", async () => {
    const messages = [
      { role: "user", content: "a" },
      { role: "assistant", content: "b" },
    ];
    const { out } = await remora("data", "preview", "--model", model, "--data", file("chat.json", JSON.stringify([{ messages }])));
    expect(out).toMatchInlineSnapshot(`
      "⟦trained⟧ · not trained · ‹special token›

      — row 1 · 11 tokens, 2 trained —
      ‹<s>›U: a⏎
      A: ⟦b‹</s>›⟧
      "
    `);
  });

  test("--json carries ids and which of them are trained", async () => {
    const { out } = await remora("data", "preview", "--model", model, "--data", rows(), "--rows", "1", "--template", "raw", "--json");
    const { template, rows: shown } = JSON.parse(out);
    expect(template).toBe("raw");
    const text = Buffer.from("英語に。雨。Rain.");
    expect(shown[0].ids).toEqual([256, ...text, 257]);
    expect(shown[0].trained).toEqual([0, ...Array.from(text, (_, i) => (i < text.length - 5 ? 0 : 1)), 1]);
  });
});

describe("remora data stats", () => {
  test("lengths, trained share, duplicates, fill", async () => {
    const { code, out } = await remora("data", "stats", "--model", model, "--data", rows(), "--json");
    expect(code).toBe(0);
    const stats = JSON.parse(out);
    expect(stats).toMatchObject({ template: "instruct", rows: 3, duplicates: 1, truncated: 0, blockLength: 256, packed: { blocks: 1 } });
    expect(stats.trainedTokens).toBe(6 * 3);
  });

  test("as a table", async () => {
    const { out } = await remora("data", "stats", "--model", model, "--data", rows(), "--block-length", "128");
    expect(out).toContain("tokens in a row");
    expect(out).toContain("blocks, packed");
  });
});

describe("bad input: exit code 2, what and where, nothing on stdout", () => {
  const cases: [string, () => string[]][] = [
    ["no such model", () => ["--model", join(folder, "absent"), "--data", rows()]],
    ["no such data", () => ["--model", model, "--data", join(folder, "absent.jsonl")]],
    [
      "a row without its answer",
      () => ["--model", model, "--data", file("missing.jsonl", '{"instruction":"a","output":"b"}\n{"instruction":"a"}')],
    ],
    [
      "an empty answer",
      () => ["--model", model, "--data", file("empty.jsonl", '{"instruction":"a","output":"b"}\n{"instruction":"a","output":" "}')],
    ],
    ["broken JSON", () => ["--model", model, "--data", file("broken.jsonl", '{"instruction":"a","output":"b"}\n{"instruction":')]],
    [
      "another encoding",
      () => ["--model", model, "--data", file("sjis.csv", Uint8Array.of(0x61, 0x2c, 0x62, 0x0a, 0x93, 0xfa, 0x2c, 0x31))],
    ],
    ["no usable columns", () => ["--model", model, "--data", file("odd.csv", "ja,en\n雨,rain\n")]],
    ["a column that is not there", () => ["--model", model, "--data", rows(), "--columns", "instruction=frage", "output=output"]],
    ["no such template", () => ["--model", model, "--data", rows(), "--template", "instrct"]],
    [
      "a template with an end-of-text in the prompt",
      () => ["--model", model, "--data", rows(), "--template", file("eos.jinja", "{{ instruction }}</s>{{ output }}")],
    ],
    ["rows longer than the block", () => ["--model", model, "--data", rows(), "--block-length", "16", "--long-rows", "error"]],
  ];
  test.each(cases)("%s", async (_, words) => {
    const before = readdirSync(folder);
    const given = words();
    const { code, out, err } = await remora("data", "stats", ...given);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatchSnapshot();
    expect(readdirSync(folder).filter((name) => !before.includes(name) && !given.some((word) => word.endsWith(name)))).toEqual([]);
  });

  test("an unknown model_type is refused by name", async () => {
    const other = await writeTinyModel(join(folder, "other"), { model_type: "mamba" });
    const { code, err } = await remora("data", "stats", "--model", other, "--data", rows());
    expect(code).toBe(2);
    expect(err).toMatchInlineSnapshot(`
      "error: Reading the model ./other
        model_type is "mamba", which remora cannot run
        Supported: llama, mistral, qwen2, qwen3, gemma3_text, phi3.
      "
    `);
  });
});
