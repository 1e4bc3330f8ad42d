import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCli } from "../run-cli.ts";
import { fakeIo } from "../testing/fake-io.ts";
import { fakeLibrary } from "../testing/fake-library.ts";

let folder = "";
let rows = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "remora-ask-"));
  rows = join(folder, "rows.jsonl");
  writeFileSync(rows, ["a", "b", "c"].map((instruction, i) => JSON.stringify({ instruction, input: String(i + 1) })).join("\n"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("generate", () => {
  test("streams plain text into a pipe and closes the model", async () => {
    const library = fakeLibrary();
    const io = fakeIo(library);
    expect(await runCli(["generate", "--model", "m", "--greedy", "What", "is", "it?"], io)).toBe(0);
    expect(io.out()).toBe("An **answer**.\n");
    expect(library.calls.map((call) => call.name)).toEqual(["openModel", "generate", "close"]);
    expect(library.calls[0]!.config).toMatchObject({ model: "m", greedy: true, maxTokens: 512 });
    expect(library.calls[0]!.config).not.toHaveProperty("prompt");
    expect(library.calls[1]!.requests).toEqual([{ messages: [{ role: "user", content: "What is it?" }] }]);
  });

  test("draws Markdown on a terminal, not with NO_COLOR", async () => {
    const terminal = fakeIo(fakeLibrary(), { terminal: true });
    await runCli(["generate", "--model", "m", "x"], terminal);
    expect(terminal.out()).toBe("An \x1b[1manswer\x1b[22m.\n");
    const plain = fakeIo(fakeLibrary(), { terminal: true, env: { NO_COLOR: "1" } });
    await runCli(["generate", "--model", "m", "x"], plain);
    expect(plain.out()).toBe("An **answer**.\n");
  });

  test("a model cannot send commands to a terminal; a pipe receives exactly its words", async () => {
    const library = fakeLibrary(() => "a\x1b]0;title\x07b\x9bc\td\n");
    const terminal = fakeIo(library, { terminal: true, env: { NO_COLOR: "1" } });
    await runCli(["generate", "--model", "m", "x"], terminal);
    expect(terminal.out()).toBe("a]0;titlebc\td\n");
    const pipe = fakeIo(library);
    await runCli(["generate", "--model", "m", "x"], pipe);
    expect(pipe.out()).toBe("a\x1b]0;title\x07b\x9bc\td\n");
  });

  test("instruction, input and context are a row; a raw template takes the prompt as it is; stdin is a prompt", async () => {
    const library = fakeLibrary();
    await runCli(["generate", "--model", "m", "--instruction", "Translate.", "--input", "雨", "--context", "weather"], fakeIo(library));
    await runCli(["generate", "--model", "m", "--template", "raw", "Once"], fakeIo(library));
    await runCli(["generate", "--model", "m", "--system", "Be brief."], fakeIo(library, { stdin: "From a pipe\n" }));
    expect(library.calls.filter((call) => call.name === "generate").map((call) => call.requests)).toEqual([
      [{ row: { instruction: "Translate.", input: "雨", context: "weather" } }],
      [{ prompt: "Once" }],
      [
        {
          messages: [
            { role: "system", content: "Be brief." },
            { role: "user", content: "From a pipe" },
          ],
        },
      ],
    ]);
  });

  test("--json: one object", async () => {
    const io = fakeIo(fakeLibrary());
    await runCli(["generate", "--model", "m", "--json", "x"], io);
    expect(JSON.parse(io.out())).toEqual({
      model: "m",
      device: "cpu",
      text: "An **answer**.",
      finishReason: "end",
      promptTokens: 5,
      tokens: 7,
      seconds: 0.5,
    });
  });

  test("rows are answered in batches and written under the final name only when all are there", async () => {
    const out = join(folder, "answers.jsonl");
    const library = fakeLibrary((request) => ("row" in request ? `answer ${String(request.row.input)}` : ""));
    const io = fakeIo(library);
    expect(await runCli(["generate", "--model", "m", "--rows", rows, "--out", out, "--batch-size", "2"], io)).toBe(0);
    expect(library.calls.filter((call) => call.name === "generate").map((call) => call.requests?.length)).toEqual([2, 1]);
    const lines = readFileSync(out, "utf8").trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { instruction: "a", input: "1", answer: "answer 1", finishReason: "end" },
      { instruction: "b", input: "2", answer: "answer 2", finishReason: "end" },
      { instruction: "c", input: "3", answer: "answer 3", finishReason: "end" },
    ]);
    expect(readdirSync(folder)).toEqual(["answers.jsonl", "rows.jsonl"]);
  });

  test("an existing file is not replaced without --force, and the model is not loaded", async () => {
    const out = join(folder, "answers.jsonl");
    writeFileSync(out, "mine\n");
    const library = fakeLibrary();
    const io = fakeIo(library);
    expect(await runCli(["generate", "--model", "m", "--rows", rows, "--out", out], io)).toBe(2);
    expect(io.err().replaceAll(folder, ".")).toMatchInlineSnapshot(`
      "error: Preparing to write ./answers.jsonl
        expected nothing there, found a file
        Choose another --out, or replace it with --force.
      "
    `);
    expect(library.calls).toEqual([]);
    expect(readFileSync(out, "utf8")).toBe("mine\n");
  });

  test("a failure in the middle leaves no file", async () => {
    const out = join(folder, "answers.jsonl");
    let asked = 0;
    const library = fakeLibrary(() => {
      if (++asked === 3) throw new Error("deep");
      return "x";
    });
    expect(await runCli(["generate", "--model", "m", "--rows", rows, "--out", out, "--batch-size", "1"], fakeIo(library))).toBe(1);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder)).toEqual(["rows.jsonl"]);
    expect(library.calls.at(-1)!.name).toBe("close");
  });
});

describe("chat", () => {
  test("turns are remembered, /reset forgets, /system sets, /exit leaves", async () => {
    const library = fakeLibrary();
    const stdin = "first\nsecond \\\nline\n/reset\n/system Be brief.\nthird\n/what\n/exit\nnever\n";
    const io = fakeIo(library, { stdin });
    expect(await runCli(["chat", "--model", "m"], io)).toBe(0);
    const asked = library.calls.filter((call) => call.name === "generate").map((call) => call.requests![0]);
    const assistant = { role: "assistant", content: "An **answer**." };
    expect(asked).toEqual([
      { messages: [{ role: "user", content: "first" }] },
      { messages: [{ role: "user", content: "first" }, assistant, { role: "user", content: "second \nline" }] },
      {
        messages: [
          { role: "system", content: "Be brief." },
          { role: "user", content: "third" },
        ],
      },
    ]);
    expect(io.out()).toBe("An **answer**.\n".repeat(3));
    expect(library.calls.at(-1)!.name).toBe("close");
  });

  test("--json: the conversation as one object last", async () => {
    const io = fakeIo(fakeLibrary(), { stdin: "hello\n" });
    expect(await runCli(["chat", "--model", "m", "--json"], io)).toBe(0);
    expect(JSON.parse(io.out())).toEqual({
      model: "m",
      device: "cpu",
      messages: [
        { role: "user", content: "hello" },
        { role: "assistant", content: "An **answer**." },
      ],
    });
  });
});
