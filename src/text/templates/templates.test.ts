/** Presets, Jinja and Python-style templates, and how a name becomes one. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ByteTokenizer } from "../testing/byte-tokenizer.ts";
import { loadTemplate } from "./load-template.ts";
import type { TemplateRow } from "./template.ts";

const bytes = new ByteTokenizer();
const row = { instruction: "次の文を英語に翻訳してください。", input: "駅はどこですか。", output: "Where is the station?" };

const rendered = (source: string, values: TemplateRow = row): string =>
  loadTemplate(source, bytes)
    .render(values)
    .segments.map(({ text, trained }) => (trained ? `[${text}]` : text))
    .join("");
const prompt = (source: string, values: TemplateRow = row): string => loadTemplate(source, bytes).renderPrompt(values).segments[0]!.text;
const message = (source: string, values: TemplateRow = row): string => {
  try {
    rendered(source, values);
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
};

describe("presets", () => {
  test("instruct", () => {
    expect(rendered("instruct")).toMatchInlineSnapshot(`
      "### Instruction:
      次の文を英語に翻訳してください。

      ### Input:
      駅はどこですか。

      ### Response:
      [Where is the station?]"
    `);
    expect(prompt("instruct")).toMatchInlineSnapshot(`
      "### Instruction:
      次の文を英語に翻訳してください。

      ### Input:
      駅はどこですか。

      ### Response:
      "
    `);
  });

  test("instruct leaves the input section out where the input is empty or missing", () => {
    expect(rendered("instruct", { ...row, input: "" })).toMatchInlineSnapshot(`
      "### Instruction:
      次の文を英語に翻訳してください。

      ### Response:
      [Where is the station?]"
    `);
    expect(prompt("instruct", { instruction: "Hi" })).toBe("### Instruction:\nHi\n\n### Response:\n");
  });

  test("instruct-context puts the context first and says what to do when it lacks the answer", () => {
    expect(rendered("instruct-context", { instruction: "Who?", context: "Nobody came.", output: "I do not know." })).toMatchInlineSnapshot(`
      "Answer from the context below and from nothing else. If the context does not contain the answer, say that you do not know.

      ### Context:
      Nobody came.

      ### Instruction:
      Who?

      ### Response:
      [I do not know.]"
    `);
  });

  test("raw adds nothing", () => {
    expect(rendered("raw", { instruction: "2 + 2 = ", output: "4" })).toBe("2 + 2 = [4]");
    expect(prompt("raw", { instruction: "2 + 2 = " })).toBe("2 + 2 = ");
    expect(rendered("raw", { text: "Once upon a time." })).toBe("[Once upon a time.]");
    expect(prompt("raw", { text: "Once upon" })).toBe("Once upon");
  });
});

describe("Jinja", () => {
  test("further columns of the row can be used", () => {
    expect(rendered("{{ level }}: {{ instruction }}|{{ output }}", { ...row, instruction: "Q", level: 3 })).toBe(
      "3: Q|[Where is the station?]",
    );
  });

  test("a template that trims the output is followed", () => {
    expect(rendered("{{ instruction }}|{{ output | trim }}!", { instruction: "Q", output: "  A " })).toBe("Q|[A]!");
  });

  test("a template that drops or repeats the output, or lets it change the prompt", () => {
    expect(message("{{ instruction }}")).toMatchInlineSnapshot(`
      "Rendering template (inline): expected {{ output }} where the response stands, found that the rendered text lacks it: zero trained tokens
        Write {{ output }} exactly once, at the place of the response."
    `);
    expect(message("{{ output }}{{ instruction }}{{ output }}")).toMatchInlineSnapshot(`
      "Rendering template (inline): expected {{ output }} once, found it 2 times
        Write {{ output }} exactly once, at the place of the response."
    `);
    expect(message("{% if output == 'Where is the station?' %}x{% endif %}{{ instruction }} {{ output }}")).toMatchInlineSnapshot(`
      "Rendering template (inline): expected the text around {{ output }} to be the same whatever the output is, found that it changes with the output
        Do not test or repeat output in the template: the prompt must be the same when asking, where no output exists."
    `);
  });

  test("syntax errors and errors while rendering", () => {
    expect(message("{% if %}{{ output }}")).toMatchInlineSnapshot(`
      "Rendering template (inline): expected a Jinja template, found: Unexpected token: CloseStatement
        Correct the template's syntax."
    `);
    expect(message("{{ raise_exception('no') }}{{ output }}")).toMatchInlineSnapshot(`
      "Rendering template (inline): the template stopped with: no
        Check the template and the row's columns."
    `);
  });
});

describe("Python-style text", () => {
  test("three {} stand for instruction, input and output", () => {
    expect(rendered("Do: {}\nWith: {}\nSay: {}")).toBe(
      "Do: 次の文を英語に翻訳してください。\nWith: 駅はどこですか。\nSay: [Where is the station?]",
    );
    expect(prompt("Do: {}\nWith: {}\nSay: {}", { instruction: "Q" })).toBe("Do: Q\nWith: \nSay: ");
  });

  test("named fields, doubled braces, Windows line ends", () => {
    expect(rendered('{{"q": "{instruction}"}}\r\n{output}', { instruction: "Q", output: "A" })).toBe('{"q": "Q"}\n[A]');
  });

  test("a text that looks like a field in the row stays text", () => {
    expect(rendered("{} {} {}", { instruction: "{output}", input: "{}", output: "{{ x }}" })).toBe("{output} {} [{{ x }}]");
  });

  test("too few or too many placeholders, a lone brace, a field the row lacks", () => {
    expect(message("{} {}")).toMatchInlineSnapshot(`
      "Rendering template (inline): expected three {} in the order instruction, input, output, found 2
        Write all three, or name them: {instruction}, {input}, {output}, {context}."
    `);
    expect(message("{} {} {} {}")).toMatchInlineSnapshot(`
      "Rendering template (inline): expected three {} in the order instruction, input, output, found 4
        Write all three, or name them: {instruction}, {input}, {output}, {context}."
    `);
    expect(message("{instruction}")).toMatchInlineSnapshot(`
      "Rendering template (inline): expected {output} where the response stands, found none: zero trained tokens
        Write the third {} or {output} exactly once, at the place of the response."
    `);
    expect(message("{output}\nand {output}")).toMatchInlineSnapshot(`
      "Rendering template (inline): expected {output} once, found it 2 times
        Write the third {} or {output} exactly once, at the place of the response."
    `);
    expect(message("{instruction}\n{ {output}")).toMatchInlineSnapshot(`
      "Rendering template (inline): found a lone "{" at line 2
        Write "{{" for a brace that is text."
    `);
    expect(message("{topic} {output}", { instruction: "Q", output: "A" })).toMatchInlineSnapshot(`
      "Rendering template (inline): expected a value for {topic}, found none in the row
        The row has: instruction, output. Map a column to topic, or give it as a constant."
    `);
  });
});

describe("loadTemplate", () => {
  test("reads files by their content", () => {
    const folder = mkdtempSync(join(tmpdir(), "remora-template-"));
    try {
      const file = (name: string, text: string) => {
        writeFileSync(join(folder, name), text);
        return join(folder, name);
      };
      expect(loadTemplate(file("a.jinja", "\ufeffJ {{ instruction }} {{ output }}"), bytes).name).toBe("a.jinja");
      expect(rendered(file("b.txt", "F {} {} {}"), { instruction: "Q", input: "", output: "A" })).toBe("F Q  [A]");
      expect(loadTemplate(file("c.jinja", "{% for m in messages %}{{ m.content }}{% endfor %}"), bytes).kind).toBe("chat");
      expect(message(file("d.txt", "nothing to fill in"))).toMatchInlineSnapshot(`
        "Rendering template d.txt: expected {{ output }} (Jinja) or three {} (plain text) in the file, found neither
          See docs/guides/templates.md."
      `);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("an unknown name", () => {
    expect(message("alpaka")).toMatchInlineSnapshot(`
      "Rendering template alpaka: expected one of instruct, instruct-context, raw, chat, a file, or template text with {{ output }} or {}, found none of them
        Check the name or the path."
    `);
  });
});
