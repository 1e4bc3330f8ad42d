import { describe, expect, test } from "vitest";
import { differences } from "./differences.ts";
import { renderReport } from "./render-report.ts";
import { sampleReport } from "./testing/sample-report.ts";

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
