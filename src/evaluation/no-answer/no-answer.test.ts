import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { answerTable } from "./answer-table.ts";
import { classifyAnswer } from "./no-answer.ts";
import { readRefusalPatterns } from "./refusal-phrases.ts";

describe("no answer", () => {
  test.each([
    ["", undefined, "empty"],
    ["  \n…", undefined, "empty"],
    ["Paris", 0, "ended at once"],
    ["I don't know.", 4, "refused"],
    ["I’m sorry, but I cannot answer that.", 9, "refused"],
    ["The passage does not mention the mayor.", 8, "refused"],
    ["わかりません。", 3, "refused"],
    ["その情報は文書に記載されていません。", 9, "refused"],
    ["Ottawa.", 2, "answered"],
    ["I'm not sure, but I think it is Ottawa in Canada.", 12, "answered"],
    ["確かではありませんが、おそらく東京だと思います。", 12, "answered"],
    ["The treaty does not apply to Mexico.", 8, "answered"],
    ["彼は魚を食べません。", 8, "answered"],
  ] as const)("%j (%s tokens): %s", (text, tokens, kind) => expect(classifyAnswer({ text, tokens })).toBe(kind));

  test("a claim beside a refusal answers, unless the refusal is about what was asked", () => {
    const text = "Ottawa is the capital. I do not know who the mayor of Ottawa is.";
    expect(classifyAnswer({ text })).toBe("answered");
    expect(classifyAnswer({ text, question: "What is the capital of Canada?" })).toBe("answered");
    expect(classifyAnswer({ text, question: "Who is the mayor of Ottawa?" })).toBe("refused");
    expect(classifyAnswer({ text: "I do not know who the mayor is. Ottawa is the capital." })).toBe("refused");
  });

  test("a quoted refusal is somebody else's, unless it is the whole answer", () => {
    expect(classifyAnswer({ text: 'The envoy wrote: "I cannot say."' })).toBe("answered");
    expect(classifyAnswer({ text: "「わかりません」" })).toBe("refused");
  });

  test("a user's own list", () => {
    const file = join(mkdtempSync(join(tmpdir(), "remora-phrases-")), "phrases.txt");
    writeFileSync(file, "# ours\nPass!\n/^skip\\b/\n");
    const patterns = readRefusalPatterns(file);
    expect(classifyAnswer({ text: "Pass!", tokens: 2 }, patterns)).toBe("refused");
    expect(classifyAnswer({ text: "Skip this one", tokens: 3 }, patterns)).toBe("refused");
    expect(classifyAnswer({ text: "I don't know", tokens: 3 }, patterns)).toBe("answered");
    writeFileSync(file, "fine\n/(/\n");
    expect(() => readRefusalPatterns(file)).toThrow(/line 2.*regular expression/s);
  });
});

describe("answered/refused × answerable/unanswerable", () => {
  test("worked by hand", () => {
    const table = answerTable([
      { answered: true, answerable: true, correct: 1 },
      { answered: true, answerable: true, correct: 0 },
      { answered: false, answerable: true },
      { answered: true, answerable: false, correct: 0 },
      { answered: false, answerable: false },
      { answered: false },
    ]);
    expect(table.answered).toEqual({ answerable: 2, unanswerable: 1, unknown: 0 });
    expect(table.refused).toEqual({ answerable: 1, unanswerable: 1, unknown: 1 });
    expect(table.noAnswer?.mean).toBe(0.5);
    expect(table.correctGivenAttempted?.mean).toBe(0.5);
    expect(table.refusedWhenUnanswerable?.mean).toBe(0.5);
    expect(table.refusedWhenAnswerable?.mean).toBeCloseTo(1 / 3, 12);
  });
});
