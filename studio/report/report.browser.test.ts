/** The report's page in a real Chromium: what a person does with mouse, keyboard and screen reader, and what hostile texts may not do. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { renderReport } from "../../src/evaluation/report/render-report.ts";
import type { ReportData } from "../../src/evaluation/report/report-data.ts";
import { completeReport } from "../../src/evaluation/report/report-files.ts";
import { sampleReport } from "../../src/evaluation/report/testing/sample-report.ts";
import { findChromium, launchChromium, NO_CHROMIUM } from "../testing/chromium.ts";

const path = findChromium();
const HOSTILE = [
  "<script>window.hacked = 1</script>",
  '"><img src=x onerror="window.hacked = 1">',
  "</style></script><svg onload=window.hacked=1>",
  "javascript:window.hacked=1",
  "' onmouseover='window.hacked=1",
];

/** The sample, with hostile words wherever a model, a document, a judge, a translator or a user may write. */
function hostileReport(): ReportData {
  const sample = sampleReport();
  const evil = HOSTILE.join(" ");
  return {
    ...sample,
    title: `${sample.title} ${evil}`,
    variants: sample.variants.map((variant) => ({ ...variant, description: evil })),
    questions: sample.questions.map((question) => ({
      ...question,
      id: `${question.id}${evil}`,
      question: `${question.question} ${evil}`,
      references: [evil],
      oldAnswer: evil,
      category: evil,
      translation: { language: "ja", text: evil },
    })),
    answers: sample.answers.map((answer) => ({
      ...answer,
      id: `${answer.id}${evil}`,
      text: evil,
      ...(answer.error && { error: evil }),
      sources: [{ title: evil, text: evil }],
      translation: { language: "en", text: evil },
    })),
    unreadDocuments: [{ document: evil, reason: evil, next: evil, triedAt: evil, keepsOldText: true }],
    problems: [{ file: evil, row: 1, problem: evil }],
    judge: { ...sample.judge!, model: evil, pairs: sample.judge!.pairs.map((pair) => ({ ...pair, reasons: [evil], problem: evil })) },
    translator: evil,
    translationProblems: [{ text: evil, problem: evil }],
    settings: { [evil]: evil },
    notes: sample.answers.map(({ variant, id }) => ({ variant, id: `${id}${evil}`, note: evil })),
  };
}

describe.skipIf(path === undefined)(`report page in Chromium${path === undefined ? ` (skipped: ${NO_CHROMIUM})` : ""}`, () => {
  let folder: string;
  let browser: Browser;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "remora-page-"));
    browser = await launchChromium(path!);
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  /** The page of a report; every error in it and every connection that it asks for fails the test that reads `troubles`. */
  async function open(data: ReportData, options: BrowserContextOptions = {}): Promise<{ page: Page; troubles: string[] }> {
    const file = join(folder, `${Math.random()}.html`);
    writeFileSync(file, renderReport(data));
    const page = await browser.newPage(options);
    const troubles: string[] = [];
    page.on("pageerror", (error) => troubles.push(error.message));
    page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
    page.on("request", (request) => !/^(file|data):/u.test(request.url()) && troubles.push(request.url()));
    await page.goto(pathToFileURL(file).href);
    return { page, troubles };
  }
  const shown = (page: Page) =>
    page.locator(".question:visible").evaluateAll((cards) => cards.map((card) => (card as HTMLElement).dataset.id));

  test.each([1200, 900, 600])("what is jumped to does not lie under the filters, %i pixels wide", async (width) => {
    const { page } = await open(sampleReport(), { viewport: { width, height: 500 } });
    const covered = async (selector: string) =>
      page.locator(selector).evaluate((element) => {
        const bar = document.querySelector(".filters")!;
        const bottom = getComputedStyle(bar).position === "sticky" ? bar.getBoundingClientRect().bottom : 0;
        return element.getBoundingClientRect().top < bottom;
      });
    await page.getByRole("link", { name: "Question 3" }).click();
    expect(await covered("#q3-title")).toBe(false);
    await page.goto(`${page.url().split("#")[0]}#q2`);
    expect(await covered("#q2-title")).toBe(false);
    // Backwards by the keyboard: from the last note up to the first.
    await page.getByLabel("Note on tuned", { exact: true }).last().focus();
    for (let step = 0; step < 20; step++) {
      await page.keyboard.press("Shift+Tab");
      expect(await covered(":focus")).toBe(false);
    }
  });

  test("in Japanese: filters by their labels, and the count", async () => {
    const { page, troubles } = await open({ ...sampleReport(), language: "ja" });
    expect(await page.getByRole("status").textContent()).toBe("4 問中 4 問を表示");
    await page.locator("#filter").selectOption("答えのないもの");
    expect(await page.getByRole("status").textContent()).toBe("4 問中 3 問を表示");
    expect(troubles).toEqual([]);
  });

  test("filters, search and order", async () => {
    const { page, troubles } = await open(sampleReport());
    const status = page.getByRole("status");
    expect(await shown(page)).toEqual(["g7-1", "g7-2", "g7-3", "g7-4"]);
    await page.getByLabel("Show").selectOption("where answers differ");
    expect(await shown(page)).toEqual(["g7-1", "g7-2", "g7-3", "g7-4"]);
    await page.getByLabel("Show").selectOption("with no answer");
    expect(await shown(page)).toEqual(["g7-2", "g7-3", "g7-4"]);
    await page.getByLabel("Category").selectOption("goal B");
    expect(await shown(page)).toEqual(["g7-2", "g7-3"]);
    expect(await status.textContent()).toBe("2 of 4 questions shown");
    await page.getByLabel("Show").selectOption("all");
    await page.getByLabel("Category").selectOption("all");
    // Full-width letters and figures find plain ones; words of a translation count too.
    for (const [words, found] of [
      ["Ｇ７の 最初", ["g7-2"]],
      ["first g7 meeting held", ["g7-2"]],
      ["was italy", ["g7-1"]],
      ["xyzzy", []],
    ] as const) {
      await page.getByRole("searchbox").fill(words);
      expect(await shown(page)).toEqual(found);
    }
    expect(await status.textContent()).toBe("0 of 4 questions shown");
    await page.getByRole("searchbox").fill("");
    await page.getByLabel("Show").selectOption("with your thumbs or notes");
    expect(await shown(page)).toEqual(["g7-1"]);
    await page.getByLabel("Show").selectOption("all");
    await page.getByLabel("Order").selectOption("worst F1 first");
    expect((await shown(page)).at(-1)).toBe("g7-3");
    await page.getByLabel("Order").selectOption("as asked");
    expect(await shown(page)).toEqual(["g7-1", "g7-2", "g7-3", "g7-4"]);
    expect(troubles).toEqual([]);
  });

  test("thumbs and notes: pressed, written, saved, read by the next report, shown again", async () => {
    const { page } = await open(sampleReport());
    const answer = page.locator('[data-id="g7-2"]').getByRole("region", { name: "base+docs" });
    await answer.getByRole("button", { name: "Bad answer" }).click();
    await answer.getByRole("button", { name: "Good answer" }).click();
    await answer.getByRole("textbox").fill('正しい & "short" <b>');
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /Save thumbs/ }).click()]);
    expect(download.suggestedFilename()).toBe("notes.json");
    const notes = join(folder, "notes.json");
    await download.saveAs(notes);
    const next = completeReport({ ...sampleReport(), notes: [] }, folder, { notes });
    expect(next.notes).toEqual([
      { variant: "tuned", id: "g7-1", thumb: "up", note: "short and right" },
      { variant: "base+docs", id: "g7-2", thumb: "up", note: '正しい & "short" <b>' },
    ]);
    const again = (await open(next)).page.locator('[data-id="g7-2"]').getByRole("region", { name: "base+docs" });
    expect(await again.getByRole("button", { name: "Good answer", pressed: true }).count()).toBe(1);
    expect(await again.getByRole("button", { name: "Bad answer", pressed: false }).count()).toBe(1);
    expect(await again.getByRole("textbox").inputValue()).toBe('正しい & "short" <b>');
  });

  test("by keyboard alone", async () => {
    const { page } = await open(sampleReport());
    const focused = () =>
      page.evaluate(
        () => document.activeElement?.id || document.activeElement?.getAttribute("aria-label") || document.activeElement?.textContent,
      );
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("To the questions");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("search");
    await page.keyboard.type("1976");
    for (const id of ["filter", "category", "order", "save"]) {
      await page.keyboard.press("Tab");
      expect(await focused()).toBe(id);
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
      expect(outline).toBe("solid");
    }
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("Question 1");
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("Good answer");
    await page.keyboard.press("Space");
    expect(await page.evaluate(() => document.activeElement!.getAttribute("aria-pressed"))).toBe("true");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.type("by keyboard");
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("1 source");
    await page.keyboard.press("Enter");
    expect(await page.getByText("The other six had met in 1975.").first().isVisible()).toBe(true);
  });

  test("for a screen reader: names, roles, headings, languages, one of each id", async () => {
    const { page } = await open(sampleReport());
    for (const name of [
      "What helped",
      "Figures",
      "Answered or not",
      "Judged in pairs",
      "What went wrong",
      "Questions",
      "How this was made",
    ]) {
      expect(await page.getByRole("region", { name, exact: true }).count(), name).toBe(1);
      expect(await page.getByRole("heading", { name, exact: true, level: 2 }).count(), name).toBe(1);
    }
    expect(await page.getByRole("main").count()).toBe(1);
    expect(await page.getByRole("article").count()).toBe(4);
    expect(await page.getByRole("article", { name: /G7の最初の会議/ }).count()).toBe(1);
    expect(await page.getByRole("img", { name: /^F1: base .*%, base\+docs/ }).count()).toBe(1);
    expect(await page.getByRole("rowheader").count()).toBeGreaterThan(3);
    const faults = await page.evaluate(() => {
      const all = [...document.querySelectorAll<HTMLElement>("*")];
      const ids = all.map(({ id }) => id).filter((id) => id !== "");
      const nameless = [...document.querySelectorAll<HTMLInputElement>("input, select, button")].filter(
        (control) => !control.getAttribute("aria-label") && !control.labels?.length && !control.textContent?.trim(),
      );
      const levels = [...document.querySelectorAll("h1, h2, h3, h4")].map((heading) => Number(heading.tagName[1]));
      return {
        twice: ids.filter((id, index) => ids.indexOf(id) !== index),
        nameless: nameless.map((control) => control.outerHTML),
        skipped: levels.filter((level, index) => index > 0 && level > levels[index - 1]! + 1),
        headless: [...document.querySelectorAll("thead th")].filter((cell) => cell.getAttribute("scope") !== "col").length,
        languages: [...new Set([...document.querySelectorAll<HTMLElement>("[lang]")].map(({ lang }) => lang))].sort(),
      };
    });
    expect(faults).toEqual({ twice: [], nameless: [], skipped: [], headless: 0, languages: ["en", "ja"] });
  });

  test("question and answers in both languages, marked as machine translation", async () => {
    const { page } = await open(sampleReport());
    const card = page.locator('[data-id="g7-2"]');
    expect(await card.locator('h3 [lang="ja"]').textContent()).toBe("G7の最初の会議は何年に開かれましたか。");
    expect(await card.locator('.translation[lang="en"]').first().textContent()).toContain("In which year was the first G7 meeting held?");
    expect(await card.locator(".translation").first().textContent()).toContain("(machine translation)");
  });

  test("hostile texts stay texts, everywhere", async () => {
    const { page, troubles } = await open(hostileReport());
    await page.locator("summary").first().click();
    await page.getByRole("searchbox").fill("<script>");
    for (const label of ["Show", "Order"]) await page.getByLabel(label).selectOption({ index: 1 });
    await page.mouse.move(300, 300);
    expect(await page.evaluate(() => (window as unknown as { hacked?: number }).hacked)).toBeUndefined();
    expect(await page.locator("img, iframe, object, embed, link, [onerror], [onload], [onmouseover]").count()).toBe(0);
    expect(await page.locator("script").count()).toBe(1);
    expect(await page.locator('a:not([href^="#"])').count()).toBe(0);
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toContain("<script>window.hacked = 1</script>");
    expect(troubles).toEqual([]);
  });

  test.each([
    ["a phone", 390],
    ["a wide screen", 1600],
  ])("on %s nothing stands out of the page", async (_, width) => {
    const { page } = await open(sampleReport(), { viewport: { width, height: 800 } });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  });

  test.each(["light", "dark"] as const)("in %s colours every text keeps a contrast of 4.5", async (colorScheme) => {
    const { page } = await open(sampleReport(), { colorScheme });
    const contrasts = await page.evaluate(() => {
      const style = getComputedStyle(document.documentElement);
      const luminance = (name: string) => {
        const hex = style
          .getPropertyValue(name)
          .trim()
          .replace(/^#(.)(.)(.)$/u, "#$1$1$2$2$3$3");
        const parts = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255);
        const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)) as [
          number,
          number,
          number,
        ];
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const contrast = (a: number, b: number) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const pairs = ["--ink", "--soft", "--good", "--bad", "--accent"].flatMap((ink) =>
        ["--paper", "--card"].map((paper) => [ink, paper] as const),
      );
      return [...pairs, ["--ink", "--mark"] as const].map(([ink, paper]) => ({
        ink,
        paper,
        contrast: contrast(luminance(ink), luminance(paper)),
      }));
    });
    expect(contrasts.filter(({ contrast }) => !(contrast >= 4.5))).toEqual([]);
  });
});
