import { describe, expect, test } from "vitest";
import { TemporaryFolder } from "../testing/temporary-folder.ts";
import { formatOf, readRows } from "./read-rows.ts";
import type { ReadOptions, SourceRow } from "./source-row.ts";

async function all(file: string, options: ReadOptions = {}): Promise<SourceRow[]> {
  const rows: SourceRow[] = [];
  for await (const row of readRows(file, options)) rows.push(row);
  return rows;
}
const values = async (file: string, options?: ReadOptions) => (await all(file, options)).map((row) => row.values);
const QUOTES = 'He said "no", and\nleft.';

describe("JSON arrays", () => {
  test("rows with their numbers and lines; nesting, escapes and strings with brackets", async () => {
    using folder = new TemporaryFolder();
    const rows = [
      { a: 'x"]},{[', b: { c: [1, { d: "]" }] } },
      { a: "\\", b: [] },
      { a: "駅", b: null },
    ];
    const file = folder.file("rows.json", `[\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n]\n`);
    expect(await all(file)).toEqual(rows.map((row, i) => ({ row: i + 1, line: i + 2, values: row })));
    expect(await values(folder.file("pretty.json", JSON.stringify(rows, null, 2)))).toEqual(rows);
    expect(await values(folder.file("empty.json", " [ ]"))).toEqual([]);
  });

  test("a file of several chunks, an element over their border", async () => {
    using folder = new TemporaryFolder();
    const rows = Array.from({ length: 4000 }, (_, i) => ({ id: i, text: `駅${"x".repeat(i % 300)}"\\` }));
    expect(await values(folder.file("long.json", JSON.stringify(rows)))).toEqual(rows);
  });

  test("JSON lines under the name .json", async () => {
    using folder = new TemporaryFolder();
    expect(await values(folder.file("lines.json", '{"a":1}\n{"a":2}\n'))).toEqual([{ a: 1 }, { a: 2 }]);
  });

  test("what is wrong is told with row and line", async () => {
    using folder = new TemporaryFolder();
    const message = (text: string) => folder.message(() => all(folder.file("bad.json", text)));
    expect(await message('[\n{"a": 1},\n{"a": tru}\n]')).toMatchInlineSnapshot(`
      "Reading bad.json, row 2, line 3: expected JSON, found: Unexpected token '}', "{"a": tru}" is not valid JSON
        Correct the row, or remove it."
    `);
    expect(await message('[{"a": 1},\n{"a": 2}')).toMatchInlineSnapshot(`
      "Reading bad.json, row 2, line 2: expected the array to be closed with "]", found the end of the file inside a row
        The file is cut off: write it again."
    `);
    expect(await message('[{"a": 1},\n{"a": "cut o')).toMatchInlineSnapshot(`
      "Reading bad.json, row 2, line 2: expected the array to be closed with "]", found the end of the file inside a row
        The file is cut off: write it again."
    `);
    expect(await message('[{"a": 1},\n]')).toMatchInlineSnapshot(`
      "Reading bad.json, row 2, line 2: expected a row, found "]"
        Remove the comma too many."
    `);
    expect(await message('[{"a": 1}]\n[]')).toMatchInlineSnapshot(`
      "Reading bad.json, line 2: expected the end of the file after the array, found more text
        Keep one array in a file."
    `);
    expect(await message('["text"]')).toMatchInlineSnapshot(`
      "Reading bad.json, row 1, line 1: expected an object with named columns, found string
        Write rows as {"instruction": …, "output": …}."
    `);
    expect(await message('"text"')).toMatchInlineSnapshot(`
      "Reading bad.json, line 1: expected a JSON array of rows, found "\\"" first
        Write [ {…}, {…} ] or JSON lines."
    `);
    expect(await message('{\n  "data": [\n    {"a": 1}\n  ]\n}')).toMatchInlineSnapshot(`
      "Reading bad.json, line 1: expected a JSON array of rows or an object in each line, found one object over several lines
        Write the rows as an array: [ {…}, {…} ]."
    `);
    expect(await message("  ")).toMatchInlineSnapshot(`
      "Reading bad.json: expected a JSON array of rows, found an empty file
        Give a file with rows."
    `);
  });
});

describe("JSON lines", () => {
  test("blank lines are passed over, Windows line ends and a missing last one are fine", async () => {
    using folder = new TemporaryFolder();
    const rows = await all(folder.file("rows.jsonl", '{"a":1}\r\n\r\n{"a":2}'));
    expect(rows).toEqual([
      { row: 1, line: 1, values: { a: 1 } },
      { row: 2, line: 3, values: { a: 2 } },
    ]);
  });

  test("bad JSON at its line", async () => {
    using folder = new TemporaryFolder();
    const file = folder.file("bad.jsonl", '{"a":1}\n\n{"a":\n');
    expect(await folder.message(() => all(file))).toMatchInlineSnapshot(`
      "Reading bad.jsonl, row 2, line 3: expected JSON, found: Unexpected end of JSON input
        Correct the row, or remove it."
    `);
    const list = folder.file("list.jsonl", "[1]\n");
    expect(await folder.message(() => all(list))).toMatchInlineSnapshot(`
      "Reading list.jsonl, row 1, line 1: expected an object with named columns, found a list
        Write rows as {"instruction": …, "output": …}."
    `);
  });
});

describe("CSV and TSV", () => {
  test("CSV with quotes, separators and line ends in fields", async () => {
    using folder = new TemporaryFolder();
    const file = folder.file("rows.csv", `question,answer\n"a, b","${QUOTES.replaceAll('"', '""')}"\n\n駅,えき\n`);
    expect(await values(file)).toEqual([
      { question: "a, b", answer: QUOTES },
      { question: "駅", answer: "えき" },
    ]);
  });

  test("many rows stream through in order", async () => {
    using folder = new TemporaryFolder();
    const lines = Array.from({ length: 30_000 }, (_, i) => `${i},"v ""${i}"""`);
    const found = await values(folder.file("long.csv", `n,v\n${lines.join("\n")}`));
    expect(found).toHaveLength(30_000);
    expect(found[29_999]).toEqual({ n: "29999", v: 'v "29999"' });
  });

  test("TSV has no quotes; a header can be given", async () => {
    using folder = new TemporaryFolder();
    const file = folder.file("pairs.tsv", '"はい"と言った。\tHe said "yes".\n駅\tstation\n');
    expect(await values(file, { header: ["ja", "en"] })).toEqual([
      { ja: '"はい"と言った。', en: 'He said "yes".' },
      { ja: "駅", en: "station" },
    ]);
    expect((await values(file, { header: "ja,en" }))[1]).toEqual({ ja: "駅", en: "station" });
  });

  test("rows that do not fit the header", async () => {
    using folder = new TemporaryFolder();
    const file = (name: string, text: string) => folder.file(name, text);
    expect(await folder.message(() => all(file("few.tsv", "a\tb\n1\t2\n3\n")))).toMatchInlineSnapshot(`
      "Reading few.tsv, row 2, line 3: expected 2 fields (a, b), found 1
        Complete the row, or remove it."
    `);
    expect(await folder.message(() => all(file("many.csv", "a,b\n1,2,3\n")))).toMatchInlineSnapshot(`
      "Reading many.csv, row 1: expected 2 fields (a, b), found 3
        Quote fields that hold the separator (CSV), or remove the extra one."
    `);
    expect(await folder.message(() => all(file("twice.csv", "a,a\n1,2\n")))).toMatchInlineSnapshot(`
      "Reading twice.csv: expected a header line with different names, found "a" twice
        If the file has no header line, name its columns: --header ja,en."
    `);
  });
});

describe("text", () => {
  test("documents are separated by <|doc|> lines, which are no text", async () => {
    using folder = new TemporaryFolder();
    const file = folder.file("docs.txt", "one\ntwo\n<|doc|>\n\n<|doc|>\nthree <|doc|> four\n");
    expect(await all(file)).toEqual([
      { row: 1, line: 1, values: { text: "one\ntwo" } },
      { row: 2, line: 6, values: { text: "three <|doc|> four" } },
    ]);
  });
});

describe("XLSX", () => {
  test("the first sheet or a named one; formulas, links and formatted text as their text", async () => {
    using folder = new TemporaryFolder();
    const { default: excel } = await import("exceljs");
    const book = new excel.Workbook();
    const sheet = book.addWorksheet("rows");
    sheet.addRow(["instruction", "output"]);
    sheet.addRow(["駅", { formula: "1+1", result: 2 }]);
    sheet.addRow([]);
    sheet.addRow([{ richText: [{ text: "bo" }, { text: "ld" }] }, { text: "link", hyperlink: "https://example.org" }]);
    book.addWorksheet("other").addRows([["a"], ["x"]]);
    const file = `${folder.path}/book.xlsx`;
    await book.xlsx.writeFile(file);
    expect(await values(file)).toEqual([
      { instruction: "駅", output: 2 },
      { instruction: "bold", output: "link" },
    ]);
    expect(await values(file, { sheet: "other" })).toEqual([{ a: "x" }]);
    expect(await folder.message(() => all(file, { sheet: "none" }))).toMatchInlineSnapshot(`
      "Reading book.xlsx: expected a sheet named "none", found: rows, other
        Name one of the sheets, or leave the name out for the first."
    `);
  });

  test("a file that is no workbook", async () => {
    using folder = new TemporaryFolder();
    const message = await folder.message(() => all(folder.file("bad.xlsx", "not a zip")));
    expect(message).toMatch(/^Reading bad\.xlsx, row 1: expected an XLSX workbook, found: .+\n {2}Save the sheet again as \.xlsx\.$/);
  });
});

describe("Parquet", () => {
  test("rows over several row groups, compressed; lists and 64-bit numbers", async () => {
    using folder = new TemporaryFolder();
    const { parquetWriteFile } = await import("hyparquet-writer");
    const n = 2500;
    const filename = `${folder.path}/rows.parquet`;
    parquetWriteFile({
      filename,
      rowGroupSize: 1000,
      columnData: [
        { name: "instruction", data: Array.from({ length: n }, (_, i) => `駅 ${i}`), type: "STRING" },
        { name: "id", data: Array.from({ length: n }, (_, i) => BigInt(i)), type: "INT64" },
        { name: "messages", data: Array.from({ length: n }, (_, i) => [{ role: "user", content: `q${i}` }]), type: "JSON" },
      ],
    });
    const rows = await all(filename);
    expect(rows).toHaveLength(n);
    expect(rows[2001]).toEqual({
      row: 2002,
      values: { instruction: "駅 2001", id: 2001n, messages: [{ role: "user", content: "q2001" }] },
    });
  });

  test("a file that is none", async () => {
    using folder = new TemporaryFolder();
    const message = await folder.message(() => all(folder.file("bad.parquet", "PAR1 and then nothing")));
    expect(message).toMatch(/^Reading bad\.parquet, row 1: expected a Parquet file, found: .+\n {2}Fetch the file again\.$/);
  });
});

describe("encodings", () => {
  test("byte-order marks: UTF-8 and UTF-16", async () => {
    using folder = new TemporaryFolder();
    const text = "a\tb\n駅\t👍\n";
    const utf16 = Buffer.from(`\ufeff${text}`, "utf16le");
    for (const content of [Buffer.from(`\ufeff${text}`), utf16, Buffer.from(utf16).swap16()]) {
      expect(await values(folder.file("x.tsv", content))).toEqual([{ a: "駅", b: "👍" }]);
    }
  });

  test("Shift-JIS is refused with its line, and read when it is named", async () => {
    using folder = new TemporaryFolder();
    // 駅 in Shift-JIS is 0x89 0x77
    const content = Buffer.concat([Buffer.from("a\tb\n1\t2\n"), Buffer.from([0x89, 0x77]), Buffer.from("\tx\n")]);
    const file = folder.file("sjis.tsv", content);
    expect(await folder.message(() => all(file))).toMatchInlineSnapshot(`
      "Reading sjis.tsv, line 3: expected text in UTF-8, found bytes that are not (they would be valid shift_jis)
        Save the file as UTF-8 (iconv -f SHIFT_JIS -t UTF-8), or set the data's encoding to "shift_jis"."
    `);
    expect(await values(file, { encoding: "shift_jis" })).toEqual([
      { a: "1", b: "2" },
      { a: "駅", b: "x" },
    ]);
  });

  test("UTF-16 without a mark, a cut character at the end, an unknown name", async () => {
    using folder = new TemporaryFolder();
    expect(await folder.message(() => all(folder.file("u16.tsv", Buffer.from("a\tb\n1\t2\n", "utf16le"))))).toMatchInlineSnapshot(`
      "Reading u16.tsv, line 1: expected text in UTF-8, found bytes that are not (they would be valid utf-16le)
        Save the file as UTF-8 (iconv -f UTF-16LE -t UTF-8), or set the data's encoding to "utf-16le"."
    `);
    expect(
      await folder.message(() => all(folder.file("cut.jsonl", Buffer.from('{"a":"駅"}\n{"a":"駅').subarray(0, -1)))),
    ).toMatchInlineSnapshot(`
      "Reading cut.jsonl, line 2: expected text in UTF-8, found that the file ends inside a character
        The file is cut off: write it again."
    `);
    expect(await folder.message(() => all(folder.file("x.tsv", "a\n"), { encoding: "utf-9" }))).toMatchInlineSnapshot(`
      "Reading x.tsv: expected the name of a text encoding, found "utf-9"
        Try "utf-8" or "shift_jis"."
    `);
  });
});

describe("files", () => {
  test("missing files, folders, unknown endings", async () => {
    using folder = new TemporaryFolder();
    for (const name of ["no.json", "no.csv", "no.parquet", "no.xlsx"]) {
      expect(await folder.message(() => all(`${folder.path}/${name}`))).toBe(
        `Reading ${name}: expected a file, found none\n  Check the path.`,
      );
    }
    expect(await folder.message(() => all(folder.path, { format: "json" }))).toMatch(/expected a file, found a folder/);
    expect(await folder.message(() => formatOf("rows.xls"))).toMatchInlineSnapshot(`
      "Reading rows.xls: expected a name ending in .json, .jsonl, .ndjson, .csv, .tsv, .tab, .parquet, .xlsx, .txt, .md, found .xls
        Save the sheet as .xlsx."
    `);
    expect(formatOf("A.JSONL")).toBe("jsonl");
    expect(await values(folder.file("rows.data", "a\tb\n1\t2"), { format: "tsv" })).toEqual([{ a: "1", b: "2" }]);
  });

  test("a stop request ends the reading", async () => {
    using folder = new TemporaryFolder();
    const file = folder.file("rows.jsonl", '{"a":1}\n'.repeat(100_000));
    const abort = new AbortController();
    let count = 0;
    const read = async () => {
      for await (const _ of readRows(file, { signal: abort.signal })) if (++count === 10) abort.abort();
    };
    await expect(read()).rejects.toThrow(/abort/i);
    expect(count).toBeLessThan(100_000);
  });
});
