/**
 * HTML: the article of a page (Readability takes menus and advertising away), or the whole body where there is no article; sections by headings.
 * Only text that a reader would see is taken: scripts, styles, attributes and hidden elements never reach the index.
 */
import { cleanLine, type Document, type Section } from "./document.ts";

const SKIP = new Set(["SCRIPT", "STYLE", "NOSCRIPT", "TEMPLATE", "SVG", "IFRAME", "OBJECT", "HEAD", "BUTTON", "SELECT", "TEXTAREA"]);
const BLOCK = new Set(
  "ADDRESS ARTICLE ASIDE BLOCKQUOTE DD DETAILS DIV DL DT FIELDSET FIGCAPTION FIGURE FOOTER FORM HEADER HR LI MAIN NAV OL P PRE SECTION SUMMARY TABLE TBODY THEAD TFOOT TR UL CAPTION".split(
    " ",
  ),
);
/** An article with less text than this share of the page is a wrong guess. */
const LEAST_SHARE = 0.2;

/** What is used of a DOM node; linkedom's own types need the browser's library. */
interface DomNode {
  readonly nodeType: number;
  readonly nodeName: string;
  readonly textContent: string | null;
  readonly childNodes: Iterable<DomNode>;
}

interface DomElement {
  getAttribute(name: string): string | null;
  remove(): void;
}

interface DomDocument {
  readonly body: DomNode;
  readonly title: string;
  querySelectorAll(selector: string): Iterable<DomElement>;
}

export async function readHtml(
  source: string,
  fallbackTitle: string,
  options: { article: boolean } = { article: true },
): Promise<Document> {
  const { parseHTML } = await import("linkedom");
  const parse = (html: string) => {
    const { document } = parseHTML(/<(html|body)[\s>]/i.test(html) ? html : `<html><body>${html}</body></html>`);
    return withoutHidden(document as unknown as DomDocument);
  };
  const whole = parse(source);
  const title = cleanLine(whole.title ?? "");
  const all = sectionsOf(whole.body);
  const article = options.article ? await articleOf(parse(source)) : undefined;
  // Readability makes every h1 an h2: the page itself knows which heading stands under which.
  const paths = new Map(all.map(({ headings }) => [headings.at(-1), headings]));
  const picked =
    article === undefined
      ? []
      : sectionsOf(parse(article).body).map((section) => ({
          ...section,
          headings: paths.get(section.headings.at(-1)) ?? section.headings,
        }));
  const sections = lengthOf(picked) >= LEAST_SHARE * lengthOf(all) ? picked : all;
  return { title: title || sections[0]?.headings[0] || fallbackTitle, sections };
}

const lengthOf = (sections: readonly Section[]) => sections.reduce((sum, { text }) => sum + text.length, 0);

async function articleOf(document: unknown): Promise<string | undefined> {
  const { Readability } = await import("@mozilla/readability");
  try {
    return new Readability(document as never).parse()?.content ?? undefined;
  } catch {
    return undefined; // a page too odd for it: the whole body is taken
  }
}

/**
 * What nobody sees is not what the page says; it is where instructions to models are hidden. Taken out before Readability, which drops the
 * attributes that hide and keeps the text. Style sheets are not followed.
 */
function withoutHidden(document: DomDocument): DomDocument {
  for (const element of [...document.querySelectorAll("[hidden], [aria-hidden], [style]")]) if (isHidden(element)) element.remove();
  return document;
}

function isHidden(element: DomElement): boolean {
  const style = (element.getAttribute("style") ?? "").replace(/\s+/g, "").toLowerCase();
  return (
    element.getAttribute("hidden") !== null ||
    element.getAttribute("aria-hidden") === "true" ||
    /(?:^|;)(?:display:none|visibility:(?:hidden|collapse)|opacity:0(?:\.0+)?(?:;|!|$)|font-size:0(?:px|pt|em|rem|%)?(?:;|!|$))/.test(style)
  );
}

function visibleText(node: DomNode): string {
  if (node.nodeType === 3) return node.textContent ?? "";
  if (node.nodeType !== 1 || SKIP.has(node.nodeName.toUpperCase())) return "";
  return [...node.childNodes].map(visibleText).join("");
}

function sectionsOf(body: DomNode): Section[] {
  const sections: Section[] = [];
  const headings: string[] = [];
  let text = "";
  const end = () => {
    const clean = text
      .split("\n")
      .map((line) => line.replace(/[ \t]+/g, " ").trim())
      .join("\n")
      .replace(/\n{3,}/g, "\n\n")
      .trim();
    if (clean !== "") sections.push({ headings: headings.filter((heading) => heading !== ""), place: "", text: clean });
    text = "";
  };
  const walk = (node: DomNode): void => {
    if (node.nodeType === 3) {
      text += (node.textContent ?? "").replace(/\s+/g, " ");
      return;
    }
    const name = node.nodeName.toUpperCase();
    if (node.nodeType !== 1 || SKIP.has(name)) return;
    const level = /^H([1-6])$/.exec(name)?.[1];
    if (level) {
      end();
      headings.length = Math.min(headings.length, Number(level) - 1);
      while (headings.length < Number(level) - 1) headings.push("");
      headings.push(cleanLine(visibleText(node)));
      return;
    }
    if (name === "BR") text += "\n";
    else if (name === "PRE") text += `\n\n${visibleText(node)}\n\n`;
    else {
      const isBlock = BLOCK.has(name);
      if (isBlock) text += name === "LI" ? "\n- " : name === "TR" ? "\n" : "\n\n";
      for (const child of node.childNodes) walk(child);
      if (name === "TD" || name === "TH") text += " | ";
      if (isBlock && name !== "TR" && name !== "LI") text += "\n\n";
    }
  };
  walk(body);
  end();
  return sections;
}
