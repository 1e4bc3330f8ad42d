/** Markdown: sections by headings, the text itself as written. Headings inside code fences are code. */
import type { Document, Section } from "./document.ts";
import { cleanLine } from "./document.ts";

const ATX = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;

export function readMarkdown(source: string, fallbackTitle: string): Document {
  const { title, body } = takeFrontMatter(source);
  const sections: Section[] = [];
  const headings: string[] = [];
  let lines: string[] = [];
  let fence = "";
  const end = () => {
    const text = lines.join("\n").trim();
    if (text !== "") sections.push({ headings: headings.filter((heading) => heading !== undefined && heading !== ""), place: "", text });
    lines = [];
  };
  const open = (level: number, heading: string) => {
    end();
    headings.length = Math.min(headings.length, level - 1);
    while (headings.length < level - 1) headings.push("");
    headings.push(cleanLine(plain(heading)));
  };
  for (const line of body.split("\n")) {
    const mark = FENCE.exec(line)?.[1];
    if (fence !== "") {
      if (mark && mark[0] === fence[0] && mark.length >= fence.length && line.trim() === mark) fence = "";
      lines.push(line);
      continue;
    }
    if (mark) fence = mark;
    const atx = mark ? null : ATX.exec(line);
    const underline = /^ {0,3}(=+|-+)[ \t]*$/.exec(line)?.[1];
    const before = lines.at(-1);
    if (atx) open(atx[1]!.length, atx[2] ?? "");
    else if (underline && underline.length > 1 && before !== undefined && before.trim() !== "" && !/^\s*([-*+>|#]|\d+\.)/.test(before)) {
      lines.pop();
      open(underline[0] === "=" ? 1 : 2, before);
    } else lines.push(line);
  }
  end();
  return { title: title ?? sections[0]?.headings[0] ?? fallbackTitle, sections };
}

/** The words of a heading without their marks: links, emphasis, code. */
const plain = (heading: string): string =>
  heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[*`]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, "");

/** YAML between two lines of dashes at the top is about the document, not in it. */
function takeFrontMatter(source: string): { title: string | undefined; body: string } {
  const match = /^---\n([\s\S]*?)\n(?:---|\.\.\.)(?:\n|$)/.exec(source);
  if (!match) return { title: undefined, body: source };
  const title = /^title:\s*(.+)$/m.exec(match[1]!)?.[1]?.replace(/^(["'])(.*)\1$/, "$2");
  return { title: title && cleanLine(title), body: source.slice(match[0].length) };
}
