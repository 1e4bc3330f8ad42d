/** The same sentences put to the model three times: as it ships, tuned, saved. What each stage answered, and how near it came. */
import type { DemoEvent, DemoSample, DemoScore, DemoStage } from "../../config/reports.ts";
import { answerRows, type DemoAnswers, scoreAnswers } from "./answer-rows.ts";
import type { DemoRow } from "./demo-rows.ts";

/** Shown when a stage is done. */
const EARLY_SAMPLES = 3;
/** Shown side by side at the end. */
const SAMPLES = 10;

export class Stages {
  readonly #heldOut: readonly DemoRow[];
  readonly #rows: readonly DemoRow[];
  readonly #signal: AbortSignal | undefined;
  readonly #emit: (event: DemoEvent) => void;
  readonly #answers = new Map<DemoStage, DemoAnswers>();
  readonly #scores = new Map<DemoStage, DemoScore>();

  constructor(heldOut: readonly DemoRow[], test: readonly DemoRow[], signal: AbortSignal | undefined, emit: (event: DemoEvent) => void) {
    this.#heldOut = heldOut;
    this.#rows = [...heldOut, ...test];
    this.#signal = signal;
    this.#emit = emit;
  }

  /** @returns the device that answered  @throws CancelledError */
  async ask(stage: DemoStage, session: Parameters<typeof answerRows>[0]): Promise<string> {
    const startedAt = performance.now();
    const count = this.#rows.length;
    this.#emit({ event: "answers-start", stage, count });
    const onBegun = (begun: number) => this.#emit({ event: "answers-progress", stage, begun, count });
    const answers = await answerRows(session, this.#rows, { signal: this.#signal, onBegun });
    const score = scoreAnswers(this.#rows, answers.texts, this.#heldOut.length);
    this.#answers.set(stage, answers);
    this.#scores.set(stage, score);
    const samples = places(this.#heldOut.length, EARLY_SAMPLES).map((at) => ({ input: this.#rows[at]!.input, answer: answers.texts[at]! }));
    this.#emit({ event: "answers-end", stage, score, seconds: (performance.now() - startedAt) / 1000, samples });
    return answers.device;
  }

  get scores(): Record<DemoStage, DemoScore> {
    return Object.fromEntries(this.#scores) as Record<DemoStage, DemoScore>;
  }

  /** All held-out sentences. */
  get sentences(): DemoSample[] {
    return this.#heldOut.map(({ input, output }, at) => ({
      input,
      expected: output,
      answers: Object.fromEntries([...this.#answers].map(([stage, { texts }]) => [stage, texts[at]!])) as DemoSample["answers"],
    }));
  }

  /** Places of the sentences that stand for all. */
  get shown(): number[] {
    return places(this.#heldOut.length, SAMPLES);
  }
}

/** Evenly spread and fixed before anything is answered, so that none is picked for its answer. */
function places(all: number, count: number): number[] {
  return Array.from({ length: Math.min(count, all) }, (_, index) => Math.floor(((index + 0.5) * all) / Math.min(count, all)));
}
