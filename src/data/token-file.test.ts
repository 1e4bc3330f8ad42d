import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ByteTokenizer } from "../text/testing/byte-tokenizer.ts";
import { TemporaryFolder } from "./testing/temporary-folder.ts";
import { TokenFile, TokenFileWriter, tokenizerPrint } from "./token-file.ts";
import { tokenizeFiles } from "./tokenize.ts";

const tokenizer = new ByteTokenizer();
const END = 257;
const bytes = (text: string) => [...new TextEncoder().encode(text)];
const all = (path: string) => {
  using file = new TokenFile(path);
  return [...file.read(0, file.facts.tokens)];
};
const decoded = (path: string) =>
  new TextDecoder()
    .decode(Uint8Array.from(all(path), (id) => (id === END ? 10 : id)))
    .split("\n")
    .slice(0, -1);

describe("token files", () => {
  test("documents of a text file, each closed; a written end-of-text is no end", async () => {
    using folder = new TemporaryFolder();
    const text = folder.file("a.txt", "一つ\n二つ\n<|doc|>\nthree <eos>\n");
    const out = join(folder.path, "a.tokens");
    const facts = await tokenizeFiles({ files: [text], tokenizer, out });
    expect(all(out)).toEqual([...bytes("一つ\n二つ"), END, ...bytes("three <eos>"), END]);
    expect(facts).toEqual({
      tokens: 13 + 1 + 11 + 1,
      documents: 2,
      textBytes: 13 + 11,
      endId: END,
      vocabularySize: 260,
      print: tokenizerPrint(tokenizer),
    });
    using file = new TokenFile(out);
    expect(file.facts).toEqual(facts);
  });

  test("forms: every row meets every form, one pass after the other; passes takes fewer", async () => {
    using folder = new TemporaryFolder();
    const pairs = folder.file("p.tsv", "犬\tdog\n猫\tcat\n");
    const out = join(folder.path, "p.tokens");
    const options = { files: [pairs], tokenizer, out, header: "ja,en", forms: ["{ja}={en}", "{en}={ja}"] };
    await tokenizeFiles(options);
    expect(decoded(out)).toEqual(["犬=dog", "cat=猫", "dog=犬", "猫=cat"]);
    await tokenizeFiles({ ...options, passes: 1 });
    expect(decoded(out)).toEqual(["犬=dog", "cat=猫"]);
  });

  test("large vocabularies take four bytes a token", async () => {
    using folder = new TemporaryFolder();
    const path = join(folder.path, "large.tokens");
    const writer = await TokenFileWriter.create(path, { endId: 2, vocabularySize: 130_000, print: "00".repeat(16) });
    await writer.add([129_999, 70_000], 8);
    await writer.finish();
    expect(all(path)).toEqual([129_999, 70_000, 2]);
    expect(readFileSync(path)).toHaveLength(64 + 12);
  });

  test("a row without the form's column ends with its place, and leaves no file", async () => {
    using folder = new TemporaryFolder();
    const rows = folder.file("r.jsonl", '{"ja":"犬","en":"dog"}\n{"ja":"猫"}\n');
    const out = join(folder.path, "r.tokens");
    const make = () => tokenizeFiles({ files: [rows], tokenizer, out, forms: ["{ja}={en}"] });
    expect(await folder.message(make)).toMatchInlineSnapshot(
      `"Reading r.jsonl, row 2, line 2, column "en": expected text, found the columns ja"`,
    );
    expect(() => new TokenFile(out)).toThrow(/there is no such file/);
  });

  test("other files, cut files and foreign ids are refused", async () => {
    using folder = new TemporaryFolder();
    const out = join(folder.path, "a.tokens");
    await tokenizeFiles({ files: [folder.file("a.txt", "hello\n")], tokenizer, out });
    expect(
      await folder.message(() => new TokenFile(folder.file("other", "not a token file, but long enough to hold a header of one, surely."))),
    ).toMatchInlineSnapshot(`
      "Reading other: expected a token file (remoratk), found "not a to"
        Make the file again with remora data tokenize."
    `);
    expect(await folder.message(() => new TokenFile(folder.file("short", "remoratk")))).toMatchInlineSnapshot(`
      "Reading short: expected a header of 64 bytes, found 8 bytes in all
        Make the file again with remora data tokenize."
    `);
    const whole = readFileSync(out);
    truncateSync(out, whole.length - 2);
    expect(await folder.message(() => new TokenFile(out))).toMatchInlineSnapshot(`
      "Reading a.tokens: expected 76 bytes for 6 tokens, found 74 bytes
        Make the file again with remora data tokenize."
    `);
    whole.writeUInt16LE(300, 64);
    writeFileSync(out, whole);
    expect(await folder.message(() => all(out))).toMatchInlineSnapshot(`
      "Reading a.tokens: expected ids below 260, found 300 at token 0
        Make the file again with remora data tokenize."
    `);
  });
});
