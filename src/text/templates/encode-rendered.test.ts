/** The rules on begin- and end-of-text, on a tokenizer whose ids can be read: 256 begin, 257 end, 259 turn. */
import { describe, expect, test } from "vitest";
import { ByteTokenizer } from "../testing/byte-tokenizer.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { encodePrompt, encodeRow } from "./encode-rendered.ts";
import { loadTemplate } from "./load-template.ts";
import type { TemplateRow } from "./template.ts";

const bytes = new ByteTokenizer();
const adding = new ByteTokenizer({ addsBos: true });
const row = { instruction: "Q", input: "I", output: "A" };

/** Text of the tokens, trained ones in brackets. */
const show = (tokenizer: Tokenizer, source: string, values: TemplateRow = row, trainOn?: "all"): string => {
  const { ids, trained } = encodeRow(tokenizer, loadTemplate(source, tokenizer), values, { trainOn });
  expect(trained).toHaveLength(ids.length);
  return ids
    .map((id, i) => (trained[i] ? `[${tokenizer.decode([id], { skipSpecial: false })}]` : tokenizer.decode([id], { skipSpecial: false })))
    .join("");
};
const ask = (tokenizer: Tokenizer, source: string, values: TemplateRow = row): string =>
  tokenizer.decode(encodePrompt(tokenizer, loadTemplate(source, tokenizer), values), { skipSpecial: false });
const message = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
};

describe("begin-of-text stands once", () => {
  test.each([
    ["neither writes nor adds it", bytes, "{instruction}>{output}", "Q>[A][<eos>]"],
    ["the tokenizer adds it", adding, "{instruction}>{output}", "<bos>Q>[A][<eos>]"],
    ["the template writes it", bytes, "<bos>{instruction}>{output}", "<bos>Q>[A][<eos>]"],
    ["both do", adding, "<bos>{instruction}>{output}", "<bos>Q>[A][<eos>]"],
    ["the template writes it twice", adding, "<bos><bos>{instruction}>{output}", "<bos>Q>[A][<eos>]"],
    ["Jinja writes it by name", adding, "{{ bos_token }}{{ instruction }}>{{ output }}", "<bos>Q>[A][<eos>]"],
  ])("%s", (_, tokenizer, source, expected) => {
    expect(show(tokenizer, source)).toBe(expected);
    expect(ask(tokenizer, source)).toBe(expected.slice(0, expected.indexOf("[")));
  });

  test("also where nothing comes before the answer", () => {
    expect(show(adding, "{{ output }}")).toBe("<bos>[A][<eos>]");
  });
});

describe("end-of-text is trained and stands once", () => {
  test.each([
    ["added where the template has none", "{instruction}>{output}", "Q>[A][<eos>]"],
    ["the template's own", "{instruction}>{output}<eos>", "Q>[A][<eos>]"],
    ["written twice", "{instruction}>{output}<eos><eos>", "Q>[A][<eos>]"],
    ["nothing after it is trained or kept", "{instruction}>{output}<eos>\n--", "Q>[A][<eos>]"],
    ["by name in Jinja", "{{ instruction }}>{{ output }}{{ eos_token }}", "Q>[A][<eos>]"],
    ["text after the response belongs to it", "{instruction}>{output}.", "Q>[A][.][<eos>]"],
    ["a line end after the response does not", "{instruction}>{output}\n", "Q>[A][<eos>]"],
  ])("%s", (_, source, expected) => {
    expect(show(bytes, source)).toBe(expected);
  });

  test("an end that the answer's own words spell is text", () => {
    const shown = show(bytes, "{instruction}>{output}", { ...row, output: "a<eos>b" });
    expect(shown).toBe("Q>[a][<][e][o][s][>][b][<eos>]");
  });

  test("a tokenizer without one is an error", () => {
    const endless = Object.assign(Object.create(bytes), { eos: [] }) as Tokenizer;
    expect(message(() => show(endless, "{instruction}>{output}"))).toMatchInlineSnapshot(`
      "Rendering template (inline): expected an end-of-text token to train after the response, found that the tokenizer names none
        Set "eos_token" in the model's tokenizer_config.json."
    `);
  });
});

describe("the asking prompt", () => {
  test("stops before the response, whether or not the row has one", () => {
    for (const source of ["{instruction}>{output}.", "{{ instruction }}>{{ output }}."]) {
      expect(ask(bytes, source)).toBe("Q>");
      expect(ask(bytes, source, { instruction: "Q" })).toBe("Q>");
    }
  });

  test("ids of the prompt begin the ids of the trained row", () => {
    for (const source of ["instruct", "raw", "{instruction}>{output}"]) {
      const template = loadTemplate(source, adding);
      const prompt = encodePrompt(adding, template, row);
      const { ids, promptLength } = encodeRow(adding, template, row);
      expect(promptLength).toBe(prompt.length);
      expect(ids.slice(0, prompt.length)).toEqual(prompt);
    }
  });

  test("an end-of-text in it is an error that shows the fix", () => {
    expect(message(() => show(bytes, "{instruction}<eos>{output}"))).toMatchInlineSnapshot(`
      "Rendering template (inline): expected the asking prompt to stay open, found the end-of-text token "<eos>" in it: the model would answer after the end, often with nothing
        Remove it from the template: remora adds the end-of-text after the response by itself."
    `);
    expect(message(() => ask(bytes, "{instruction}<eos>{output}"))).toMatchInlineSnapshot(`
      "Rendering template (inline): expected the asking prompt to stay open, found the end-of-text token "<eos>" in it: the model would answer after the end, often with nothing
        Remove it from the template: remora adds the end-of-text after the response by itself."
    `);
    expect(message(() => ask(bytes, "{{ instruction }}{{ eos_token }}{{ output }}"))).toContain('"<eos>"');
  });

  test("an end-of-text in the user's words is none", () => {
    expect(ask(bytes, "{instruction}>{output}", { instruction: "<eos>" })).toBe("<eos>>");
    const ids = encodePrompt(bytes, loadTemplate("{instruction}>{output}", bytes), { instruction: "<eos>" });
    expect(ids.some((id) => bytes.isSpecial(id))).toBe(false);
  });

  test("words of the row cannot complete a special token with the template or with each other", () => {
    const template = loadTemplate("<{instruction}{input}{output}", bytes);
    for (const values of [
      { instruction: "eos>", input: "", output: "x" },
      { instruction: "<eo", input: "s>", output: "x" },
      { instruction: "a", input: "<", output: "eos>" },
    ]) {
      const { ids } = encodeRow(bytes, template, values);
      expect(ids.filter((id) => bytes.isSpecial(id))).toEqual([257]);
      expect(bytes.decode(ids)).toBe(`<${values.instruction}${values.input}${values.output}`);
    }
  });
});

test("no words of a row, however cut over its columns, become a special token or are changed", () => {
  const fragments = ["<", "<eo", "os>", "eos>", "<eos>", "<turn", "n>", ">", "a", " ", "\ufdd0", "\ufdd1", "<<eos>>", "駅"];
  let state = 7;
  const pick = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return fragments[(state >>> 8) % fragments.length]!;
  };
  const template = loadTemplate("{{ instruction }}{{ input }}{{ output }}", bytes);
  for (let i = 0; i < 2000; i++) {
    const values = { instruction: pick() + pick() + pick(), input: pick() + pick(), output: `${pick()}${pick()}.` };
    const { ids } = encodeRow(bytes, template, values);
    expect(ids.filter((id) => id >= 256)).toEqual([257]);
    expect(bytes.decode(ids)).toBe(values.instruction + values.input + values.output);
  }
});

describe("what is trained", () => {
  test("trainOn all: every token", () => {
    expect(show(bytes, "{instruction}>{output}", row, "all")).toBe("[Q][>][A][<eos>]");
  });

  test("nothing to train is an error", () => {
    const empty = { instruction: "Q", input: "", output: "" };
    expect(message(() => show(bytes, "{instruction}>{output}", empty))).toMatchInlineSnapshot(`
      "Rendering template (inline): expected a response to train on, found none: zero trained tokens
        Put {{ output }} (Jinja) or the third {} (plain text) where the response stands, or give the row an answer."
    `);
  });
});
