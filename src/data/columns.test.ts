import { describe, expect, test } from "vitest";
import { type ColumnOptions, mapColumns } from "./columns.ts";
import { TemporaryFolder } from "./testing/temporary-folder.ts";

const map = (values: Record<string, unknown>, options?: ColumnOptions) =>
  mapColumns("rows.json", Object.keys(values), options).map({ row: 7, line: 9, values });
const kind = (columns: string[], options?: ColumnOptions) => mapColumns("rows.json", columns, options).kind;
const message = async (values: Record<string, unknown>, options?: ColumnOptions) => {
  using folder = new TemporaryFolder();
  return folder.message(() => map(values, options));
};

describe("recognised by name", () => {
  test.each([
    [
      { instruction: "Q", input: "I", output: "A" },
      { instruction: "Q", input: "I", output: "A" },
    ],
    [
      { Prompt: "Q", Completion: "A" },
      { instruction: "Q", output: "A" },
    ],
    [
      { question: "Q", context: "C", answer: "A" },
      { instruction: "Q", context: "C", output: "A" },
    ],
    [
      { input: "Q", output: "A" },
      { instruction: "Q", output: "A" },
    ],
    [
      { text: "T", source: "web" },
      { text: "T", source: "web" },
    ],
    [
      { instruction: "Q", output: 4, system: "S" },
      { instruction: "Q", output: "4", system: "S" },
    ],
    [
      { instruction: "Q", input: null, output: "A" },
      { instruction: "Q", output: "A" },
    ],
  ])("%j", (values, expected) => {
    expect(map(values)).toEqual(expected);
  });

  test("messages in either dialect, as a list or as JSON text", () => {
    const messages = [
      { role: "user", content: "Q" },
      { role: "assistant", content: "A" },
    ];
    expect(map({ messages })).toEqual({ messages });
    expect(map({ messages: JSON.stringify(messages) })).toEqual({ messages });
    expect(
      map({
        conversations: [
          { from: "human", value: "Q" },
          { from: "gpt", value: "A" },
        ],
      }),
    ).toEqual({ messages });
    expect(map({ messages: [{ role: "user", content: [{ type: "text", text: "Q" }] }, messages[1]] })).toEqual({ messages });
  });

  test("the kind of row", () => {
    expect([kind(["messages", "text"]), kind(["prompt", "response"]), kind(["text"]), kind(["question"])]).toEqual([
      "messages",
      "instruction",
      "text",
      "instruction",
    ]);
  });
});

describe("mapped by the user", () => {
  test("columns by name and constants for every row", () => {
    const options = { columns: { input: "ja", output: "en" }, constants: { instruction: "次の文を英語に翻訳してください。" } };
    expect(map({ ja: "駅", en: "station", id: "1" }, options)).toEqual({
      instruction: "次の文を英語に翻訳してください。",
      input: "駅",
      output: "station",
      id: "1",
    });
  });

  test("a mapping wins over a column that happens to bear the name", () => {
    expect(map({ instruction: "old", better: "Q", output: "A" }, { columns: { instruction: "better" } })).toEqual({
      instruction: "Q",
      output: "A",
    });
    expect(map({ instruction: "old", output: "A" }, { constants: { instruction: "Q" } })).toEqual({ instruction: "Q", output: "A" });
  });

  test("fields of the user's own template", () => {
    const options = { columns: { topic: "subject" }, constants: { tone: "kind" } };
    expect(map({ subject: "fish", question: "Q", answer: "A" }, options)).toEqual({
      topic: "fish",
      tone: "kind",
      instruction: "Q",
      output: "A",
    });
  });

  test("for asking, a row needs no response", async () => {
    const columns = mapColumns("rows.json", ["instruction", "output"], { purpose: "asking" });
    expect(columns.map({ row: 1, values: { instruction: "Q", output: "" } })).toEqual({ instruction: "Q", output: "" });
    expect(columns.map({ row: 1, values: { instruction: "Q" } })).toEqual({ instruction: "Q" });
    expect(() => columns.map({ row: 1, values: { instruction: "", output: "A" } })).toThrow(/expected an instruction/);
  });

  test("a column that does not exist", async () => {
    expect(await message({ ja: "駅", English: "station" }, { columns: { instruction: "ja", output: "english" } })).toMatchInlineSnapshot(`
      "Reading rows.json, column "english": expected this column for output, found only: ja, English
        Did you mean "English"?"
    `);
  });
});

describe("bad rows", () => {
  test("no usable columns", async () => {
    expect(await message({ ja: "駅", en: "station" })).toMatchInlineSnapshot(`
      "Reading rows.json: expected columns for instruction and output, for messages, or for text, found: ja, en
        Map them by name, as in columns: { instruction: ja, output: en }."
    `);
  });

  test("a missing field, an empty output, an empty instruction, a wrong type", async () => {
    const columns = mapColumns("rows.json", ["instruction", "output"]);
    using folder = new TemporaryFolder();
    const row = (values: Record<string, unknown>) => folder.message(() => columns.map({ row: 7, line: 9, values }));
    expect(await row({ instruction: "Q" })).toMatchInlineSnapshot(`
      "Reading rows.json, row 7, line 9, column "output": expected text for output, found no such column in this row
        Complete the row, or remove it."
    `);
    expect(await row({ instruction: "Q", output: null })).toMatchInlineSnapshot(`
      "Reading rows.json, row 7, line 9, column "output": expected text for output, found null
        Complete the row, or remove it."
    `);
    expect(await row({ instruction: "Q", output: " \n" })).toMatchInlineSnapshot(`
      "Reading rows.json, row 7, line 9, column "output": expected a response to train on, found an empty one
        Complete the row, or remove it."
    `);
    expect(await row({ instruction: "", output: "A" })).toMatchInlineSnapshot(`
      "Reading rows.json, row 7, line 9, column "instruction": expected an instruction, found an empty one
        Complete the row, or remove it."
    `);
    expect(await row({ instruction: "Q", output: ["A", "B"] })).toMatchInlineSnapshot(`
      "Reading rows.json, row 7, line 9, column "output": expected text for output, found a list
        Keep one answer per row."
    `);
    expect(await row({ instruction: { en: "Q" }, output: "A" })).toMatchInlineSnapshot(`
      "Reading rows.json, row 7, line 9, column "instruction": expected text for instruction, found an object
        Map another column, or write the value as text."
    `);
  });

  test("messages without role, content or any", async () => {
    expect(await message({ messages: [] })).toMatchInlineSnapshot(`
      "Reading rows.json, row 7, line 9, column "messages": expected a list of messages, found an empty one
        Write [{"role": "user", "content": …}, …]."
    `);
    expect(await message({ messages: "hello" })).toMatchInlineSnapshot(`
      "Reading rows.json, row 7, line 9, column "messages": expected a list of messages, found string
        Write [{"role": "user", "content": …}, …]."
    `);
    expect(await message({ messages: [{ role: "user" }] })).toMatchInlineSnapshot(`
      "Reading rows.json, row 7, line 9, column "messages": expected message 1 to have a role and text as content, found {"role":"user"}
        Write {"role": "user", "content": "…"}."
    `);
    expect(
      await message({
        messages: [
          { role: "user", content: "Q" },
          { role: "assistant", content: "" },
        ],
      }),
    ).toMatchInlineSnapshot(`
      "Reading rows.json, row 7, line 9, column "messages": expected message 2 (assistant) to hold an answer, found an empty one
        Complete the row, or remove it."
    `);
  });
});
