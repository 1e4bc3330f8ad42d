import { describe, expect, test } from "vitest";
import { differences } from "./differences.ts";
import { renderReport } from "./render-report.ts";
import { sampleReport } from "./testing/sample-report.ts";
import { ENGLISH } from "./words/english.ts";

describe("report page", () => {
  const page = renderReport(sampleReport());

  test("nothing that a model or user wrote becomes markup", () => {
    expect(page).not.toContain("<script>alert");
    expect(page).not.toContain("<img");
    expect(page).toContain("&#60;script&#62;alert(1)&#60;/script&#62;");
  });

  test("names no other place on the network and forbids itself every connection", () => {
    expect(page).not.toMatch(/(?:src|href)="(?!#|data:)/);
    expect(page).toContain("default-src 'none'");
  });

  test("shows every question and every variant's answer, failures and silence by name", () => {
    expect(page.match(/<article class="question"/g)).toHaveLength(4);
    expect(page.match(/<section class="answer[ "]/g)).toHaveLength(4 * 3 + 1);
    expect(page).toContain("Failed: the model did not answer within 60 s");
    expect(page).toContain("<i>(nothing)</i>");
    expect(page).toContain("<b>docs/locked.pdf</b>: the PDF is encrypted and asks for a password. Tried 2026-11-26 11:30. Save a copy");
    expect(page).toContain("found damage: Invalid PDF structure (what was read of it before is still in the index). Tried");
    expect(page).toContain("questions.csv, row 7: it has no question. Left out.");
    expect(page).toContain("(machine translation)");
    expect(page).toContain('aria-pressed="true" aria-label="Good answer"');
    expect(page).toContain('value="short and right"');
  });

  test("says what helped only where the interval allows it", () => {
    expect(page).toMatch(/cannot be told|is better than base/);
    expect(page).toContain('<td class="good">better</td>');
    expect(page).toContain('<td class="bad">worse</td>');
  });
});

describe("report page in Japanese", () => {
  const page = renderReport({ ...sampleReport(), language: "ja" });
  /** What a reader sees or hears: texts, names for screen readers, hints, placeholders. */
  const spoken = page
    .replace(/<(style|script)>.*?<\/\1>/gs, "")
    .match(/(?<=>)[^<>]+(?=<)|(?<=(?:aria-label|title|placeholder|data-words)=")[^"]+/g)!
    .map((text) => text.trim());

  test("names its language, and says nothing of its own in English", () => {
    expect(page).toContain('<html lang="ja">');
    const english = Object.values(ENGLISH).flatMap((word) => (typeof word === "object" ? Object.values(word) : [word]));
    const said = english.filter((word) => typeof word === "string" && spoken.includes(word.trim()));
    expect(said).toEqual([]);
  });

  test("figures, sentences, missing items and the verdicts of the judge", () => {
    expect(spoken).toEqual(
      expect.arrayContaining(["何が役に立ったか", "答えなし", "質問 1", "tuned へのメモ", "{all} 問中 {shown} 問を表示"]),
    );
    expect(page).toMatch(/tuned が F1 で base より良いかどうかは、3 問では判断できません。少なくとも \d+ 問が必要です。/);
    expect(page).toContain("失敗：the model did not answer within 60 s");
    expect(page).toContain("questions.csv の 7 行目：it has no question。除外しました。");
    expect(page).toContain("判定： tuned が base に勝ち (Canada is right)");
    expect(page).toContain('<td class="good">改善</td>');
    expect(page).toContain('aria-pressed="true" aria-label="良い答え"');
  });

  test("what models and users wrote stays as it is", () => {
    for (const text of ["Which country joined the group in 1976?", "G7の最初の会議は何年に開かれましたか。", "I do not know."])
      expect(page).toContain(text);
    expect(page).toContain("a model of the tests, tuned");
  });

  test("is chosen by most questions, where a report does not say", () => {
    expect(renderReport(sampleReport())).toContain('<html lang="en">');
    const { questions, ...rest } = sampleReport();
    expect(renderReport({ ...rest, questions: questions.filter(({ language }) => language === "ja") })).toContain('<html lang="ja">');
  });

  test("a variant is described from its parts", () => {
    const sample = sampleReport();
    const parts = { model: "./base", adapter: "run/adapter", index: "my-index", price: { prompt: "0.15", answer: "0.60" } };
    const variants = sample.variants.map((variant) => ({ ...variant, parts }));
    expect(renderReport({ ...sample, variants, language: "ja" })).toContain(
      "<small>./base、アダプター run/adapter、my-index の文書を使用、100 万トークン当たり入力 $0.15、出力 $0.60</small>",
    );
    expect(renderReport({ ...sample, variants })).toContain(
      "<small>./base with the adapter run/adapter, from the documents of my-index, at $0.15 a million tokens of prompts and $0.60 of answers</small>",
    );
  });
});

describe("differences between two answers", () => {
  const marked = (text: string, other: string) =>
    differences(text, other)
      .map((piece) => (piece.differs ? `[${piece.text}]` : piece.text))
      .join("");
  test("words that the other lacks", () => {
    expect(marked("It was Canada, in 1976.", "It was Italy in 1976.")).toBe("It was [Canada, ]in 1976.");
    expect(marked("首都は東京です。", "首都は大阪です。")).toBe("首都は[東京]です。");
    expect(marked("same", "SAME")).toBe("same");
    expect(marked("anything", "")).toBe("anything");
  });
});
