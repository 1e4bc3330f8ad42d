import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { RemoraError } from "../../errors/remora-error.ts";
import { makeDocx } from "../testing/make-docx.ts";
import { makePdf, PDF_PASSWORD } from "../testing/make-pdf.ts";
import { findDocuments, liesUnder } from "./find-documents.ts";
import { readDocument } from "./read-document.ts";

const folder = mkdtempSync(join(tmpdir(), "remora-documents-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function refusal(path: string): Promise<string> {
  const error = await readDocument(path).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(RemoraError.isInstance(error), String(error)).toBe(true);
  return (error as RemoraError).message.replaceAll(`${folder}/`, "");
}

describe("readDocument", () => {
  test("Markdown: headings as context, fences left alone, front matter taken off", async () => {
    const path = write(
      "a.md",
      "---\ntitle: Fish\n---\nIntro.\n\n# Remora *fish*\n\nHolds on.\n\n### Deep\n```sh\n# not a heading\n```\n\nSetext\n------\n- one\n",
    );
    expect(await readDocument(path)).toEqual({
      title: "Fish",
      sections: [
        { headings: [], place: "", text: "Intro." },
        { headings: ["Remora fish"], place: "", text: "Holds on." },
        { headings: ["Remora fish", "Deep"], place: "", text: "```sh\n# not a heading\n```" },
        { headings: ["Remora fish", "Setext"], place: "", text: "- one" },
      ],
    });
  });

  test("HTML: text and headings, no scripts, no control characters spelt as entities", async () => {
    const path = write(
      "a.html",
      "<html><head><title>Fish &amp; ships</title><script>steal()</script></head><body><h1>Remora</h1><p>Holds <b>on</b>.&#27;[2J</p>" +
        "<h2>Hosts</h2><ul><li>shark</li><li>whale</li></ul><table><tr><td>a</td><td>b</td></tr></table><style>p{}</style></body></html>",
    );
    const { title, sections } = await readDocument(path);
    expect(title).toBe("Fish & ships");
    expect(sections.map(({ headings }) => headings)).toEqual([["Remora"], ["Remora", "Hosts"]]);
    expect(sections[0]!.text).toBe("Holds on.[2J");
    expect(sections[1]!.text).toContain("- shark\n- whale");
    expect(JSON.stringify(sections)).not.toMatch(/steal|p\{\}|\\u001b/);
  });

  test("PDF: the text of each page", async () => {
    const path = write("a.pdf", makePdf(["The remora holds on.", "Second page."]));
    const { sections } = await readDocument(path);
    expect(sections.map(({ place, text }) => [place, text])).toEqual([
      ["p. 1", "The remora holds on."],
      ["p. 2", "Second page."],
    ]);
  });

  test("DOCX: headings and paragraphs", async () => {
    const path = write("a.docx", makeDocx([{ style: "Heading1", text: "Remora" }, { text: "Holds on." }, { text: "大きな魚に付く。" }]));
    expect((await readDocument(path)).sections).toEqual([{ headings: ["Remora"], place: "", text: "Holds on.\n\n大きな魚に付く。" }]);
  });

  test("JSONL: a section a row", async () => {
    const path = write("a.jsonl", '{"title":"Fish","text":"Holds on."}\n{"content":"No title."}\n');
    expect((await readDocument(path)).sections).toEqual([
      { headings: ["Fish"], place: "row 1", text: "Holds on." },
      { headings: [], place: "row 2", text: "No title." },
    ]);
    const other = write("b.jsonl", '{"story":"Once."}\n');
    expect((await readDocument(other, { textColumns: ["story"] })).sections[0]!.text).toBe("Once.");
    expect(await refusal(other)).toMatchInlineSnapshot(`
      "Reading b.jsonl, row 1, line 1: expected text in one of the columns text, content, body, contents, passage, context, found story
        Name the columns with --text-columns."
    `);
  });

  test("what turns text around or commands a terminal is taken out", async () => {
    const path = write("evil.txt", "a\u001b[31mb\u202ec\u200bd\u0007e\r\nf👩‍🚀");
    expect((await readDocument(path)).sections[0]!.text).toBe("a[31mbcde\nf👩‍🚀");
  });

  test("the encrypted PDF of these tests is one: with its password it opens", async () => {
    const bytes = makePdf(["The remora holds on."], { encrypted: true });
    expect(Buffer.from(bytes).includes("remora")).toBe(false);
    const { extractText, getDocumentProxy } = await import("unpdf");
    const { text } = await extractText(await getDocumentProxy(bytes, { password: PDF_PASSWORD, verbosity: 0 }), { mergePages: true });
    expect(text).toBe("The remora holds on.");
  });

  test("bad files are named, with what to do", async () => {
    expect(await refusal(write("locked.pdf", makePdf(["secret"], { encrypted: true })))).toMatchInlineSnapshot(`
      "Reading locked.pdf: the PDF is encrypted and asks for a password
        Save a copy without a password."
    `);
    expect(await refusal(write("scan.pdf", makePdf([""])))).toMatchInlineSnapshot(`
      "Reading scan.pdf: expected text on its only page, found none
        It is probably a scan: run text recognition (OCR) over it first."
    `);
    expect(await refusal(write("broken.pdf", "%PDF-1.7 and then nothing"))).toMatch(
      /^Reading broken\.pdf: expected a PDF, found damage: .+\n {2}Open it in a viewer/,
    );
    expect(await refusal(write("broken.docx", "PK nothing"))).toMatch(/^Reading broken\.docx: expected a DOCX file, found damage: /);
    expect(await refusal(write("locked.docx", Uint8Array.of(0xd0, 0xcf, 0x11, 0xe0, 0)))).toMatchInlineSnapshot(`
      "Reading locked.docx: the document is encrypted, or in the old .doc format
        Save it as .docx without a password."
    `);
    expect(await refusal(write("empty.md", " \n"))).toMatchInlineSnapshot(`
      "Reading empty.md: expected text, found none
        The file is empty: remove it, or fill it."
    `);
    expect(await refusal(write("sjis.txt", Uint8Array.of(0x93, 0xfa, 0x96, 0x7b)))).toContain("they would be valid shift_jis");
    expect(await refusal(join(folder, "none.md"))).toContain("expected a file, found none");
  });
});

describe("findDocuments", () => {
  test("walks folders, leaves hidden ones and other kinds, counts what it leaves", () => {
    const root = join(folder, "tree");
    mkdirSync(join(root, "sub", ".git"), { recursive: true });
    mkdirSync(join(root, "index"));
    for (const name of ["b.md", "sub/a.txt", "sub/.git/x.md", "index/x.md", "photo.PNG"]) writeFileSync(join(root, name), "x");
    const found = findDocuments([root], [join(root, "index")]);
    expect([...found.documents.values()].map((path) => path.slice(root.length + 1))).toEqual(["b.md", "sub/a.txt"]);
    expect([...found.skipped]).toEqual([[".png", 1]]);
    expect(() => findDocuments([join(root, "photo.PNG")])).toThrow(/expected a name ending in \.md/);
    expect(() => findDocuments([join(root, "none")])).toThrow(/there is no such file or folder/);
  });

  test.each([
    ["docs/a.md", "docs", true],
    ["docs2/a.md", "docs", false],
    ["a.md", ".", true],
    ["/elsewhere/a.md", ".", false],
  ])("%s under %s: %s", (name, root, expected) => expect(liesUnder(name, root)).toBe(expected));
});
