/** Documents to questions, each checked and given an unanswerable twin: against scripted endpoints, and once with a model that talks nonsense. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readQuestions } from "../evaluation/eval/questions.ts";
import type { FakeIo } from "./testing/fake-io.ts";
import { fishWorld, linesOf, TINY } from "./testing/fish-world.ts";

const world = await fishWorld("questions");
const { folder, docs, index, remora, endpointOf } = world;
afterAll(() => world.close());

describe("questions", () => {
  const facts = [
    ["attaches itself to sharks", "Question: What does the remora attach itself to?\nAnswer: sharks"],
    ["Yellowstone", "What animal hunts in packs of up to 36 animals?\nAnswer: wolf"],
  ];

  test("written, checked with the passage and without, freed of duplicates, with twins; what is refused is named", async () => {
    const third = join(docs, "third.md");
    const others = {
      "third.md": "# Pilot fish\nThe pilot fish follows sharks over long distances and eats their parasites in the warm sea.",
      "fourth.md": "# Shark\nAgain: the remora is a fish that attaches itself to sharks, and to whales and turtles as well.",
      "fifth.md": "# Moon\nThe moon goes round the earth in about 27 days, and shows it always the same side of itself.",
      "sixth.md": "# Iron\nIron melts at 1538 degrees and is the most common metal in the core of the earth, with nickel.",
    };
    for (const [name, text] of Object.entries(others)) writeFileSync(join(docs, name), text);
    const endpoint = await endpointOf({
      writer: (prompt) => {
        if (prompt.includes("Changed question"))
          return prompt.includes("remora attach") ? "What does the Greenland cod attach itself to?" : "no idea";
        if (prompt.includes("27 days")) return "Question: What goes round the earth?\nAnswer: the moon";
        if (prompt.includes("1538")) return "Iron is a metal. I like iron.";
        if (prompt.includes("pilot fish")) return 'Question: What does "this passage" speak of?\nAnswer: sharks';
        return facts.find(([mark]) => prompt.includes(mark!))?.[1] ?? "What does the remora attach itself to?\nAnswer: sharks";
      },
      checker: (prompt) => {
        if (prompt.includes("goes round the earth")) return "The moon.";
        if (!prompt.includes("<source")) return "I do not know.";
        return prompt.includes("Greenland") ? "I do not know." : prompt.includes("hunts in packs") ? "The wolf." : "Sharks, of course.";
      },
    });
    const out = join(folder, "made");
    const words = [
      "questions",
      docs,
      "--goal",
      "goal A: what a remora or a fish does with sharks",
      "--goal",
      "goal B: wolves and other animals of the land",
      "--count",
      "2",
      "--attempts",
      "8",
      "--model",
      endpoint.model("writer"),
      "--checker",
      endpoint.model("checker"),
      "--out",
      out,
      "--yes",
    ];
    const { code, err, out: shown } = await remora(words);
    expect(code, err).toBe(0);
    expect(shown).toContain("2 questions from");
    expect(err).toContain("duplicates by chrF alone: no encoder was at hand");
    const rows = linesOf(join(out, "questions.jsonl"));
    const kept = rows.filter(({ answerable }) => answerable);
    expect(kept.map(({ category, question, reference }) => [category, question, reference])).toEqual(
      expect.arrayContaining([
        ["goal A", "What does the remora attach itself to?", ["sharks"]],
        ["goal B", "What animal hunts in packs of up to 36 animals?", ["wolf"]],
      ]),
    );
    const shark = kept.find(({ category }) => category === "goal A");
    expect(shark).toMatchObject({
      difficulty: expect.stringMatching(/easy|medium|hard/),
      evidence: expect.stringContaining("sharks"),
      source: expect.stringMatching(/\.md › /),
      check: { withPassage: { answer: "Sharks, of course.", match: 1 }, without: { answer: "I do not know.", match: 0 } },
    });
    expect(rows.find(({ id }) => id === `${shark.id}-twin`)).toMatchObject({
      question: "What does the Greenland cod attach itself to?",
      answerable: false,
      twin: { of: shark.id, by: "model", changed: ["greenland", "cod"], refused: true },
    });
    // The writer failed on the wolf's twin: its number is exchanged for one of another passage.
    const wolfTwin = rows.find(({ twin, category }) => twin && category === "goal B");
    expect(wolfTwin).toMatchObject({
      twin: { by: "swap" },
      question: expect.stringMatching(/^What animal hunts in packs of up to \d+ animals\?$/),
    });
    expect(wolfTwin.question).not.toContain(" 36 ");
    const { questions: read } = await readQuestions([join(out, "questions.jsonl")]);
    expect(read.filter(({ context }) => context !== undefined)).toEqual([]);
    expect(read.filter(({ answerable }) => answerable === false)).toHaveLength(2);

    const asked = endpoint.calls.length;
    await remora(words);
    expect(endpoint.calls).toHaveLength(asked);

    // All passages: every way to be refused, by name.
    const more = await remora([...words.slice(0, 6), "--count", "9", ...words.slice(10), "--attempts", "20"]);
    expect(more.code, more.err).toBe(0);
    const reasons = linesOf(join(out, "rejected.jsonl")).map(({ reason }) => reason);
    expect(reasons).toEqual(
      expect.arrayContaining([
        "it is answered without its passage",
        "it asks what another question asks",
        "what the model wrote is no question",
        "the question speaks of the passage",
      ]),
    );
    expect(more.err).toContain("Fewer than the 9 asked for");
    rmSync(third);
  });

  test("stopped, it writes what was kept and goes on from cached answers", async () => {
    let io: FakeIo | undefined;
    let stuck = true;
    const endpoint = await endpointOf({
      writer: (prompt) => (prompt.includes("Yellowstone") ? facts[1]![1]! : facts[0]![1]!),
      checker: (prompt) => {
        if (!prompt.includes("<source")) return "I do not know.";
        if (!prompt.includes("hunts in packs")) return "Sharks.";
        if (!stuck) return "The wolf.";
        io!.interrupt();
        return new Promise(() => {});
      },
    });
    const out = join(folder, "stopped-questions");
    const models = ["--model", endpoint.model("writer"), "--checker", endpoint.model("checker")];
    const words = ["questions", index, "--count", "2", "--no-twins", ...models, "--out", out, "--yes"];
    const first = await remora(words, (world) => {
      io = world;
    });
    expect(first.code, first.err).toBe(130);
    expect(existsSync(join(out, "questions.jsonl"))).toBe(true);
    stuck = false;
    const before = endpoint.calls.length;
    const second = await remora(words);
    expect(second.code, second.err).toBe(0);
    expect(linesOf(join(out, "questions.jsonl"))).toHaveLength(2);
    expect(endpoint.calls.slice(before).filter(({ model }) => model === "writer")).toEqual([]);
  });

  test("a model that only talks nonsense: nothing is kept, everything is named, exit 1", async () => {
    const out = join(folder, "nonsense");
    const words = [
      "questions",
      index,
      "--count",
      "2",
      "--model",
      `local:${TINY}?compute=f32`,
      "--max-tokens",
      "8",
      "--device",
      "cpu",
      "--out",
      out,
    ];
    const { code, err } = await remora(words);
    expect(code, err).toBe(1);
    const rejected = linesOf(join(out, "rejected.jsonl"));
    expect(rejected.length).toBeGreaterThan(0);
    for (const { source, reason, said } of rejected) expect([source, reason, said].every((each) => typeof each === "string")).toBe(true);
    expect(JSON.parse(readFileSync(join(out, "report.json"), "utf8"))).toMatchObject({ kept: 0, duplicates: expect.any(String) });
  });
});
