/**
 * Documents → questions toward goals: written by a model, checked by answering them with their passage and without it, freed of duplicates, each
 * with an unanswerable twin. What is refused is named with its reason and its figures; every answer is cached, so a stopped run goes on for free.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseModelName } from "../../asking/model-name.ts";
import { askAll, type NamedModel } from "../../asking/named-model.ts";
import { openNamedModel } from "../../asking/open-named-model.ts";
import { parseConfig } from "../../config/parse.ts";
import type { AskRequest } from "../../config/reports.ts";
import { type QuestionsConfig, type QuestionsConfigInput, questionsSchema } from "../../config/schemas/debate.ts";
import { sessionSchema } from "../../config/schemas/generate.ts";
import { type OpenedPassages, openPassages, type Passage } from "../../engine/open-passages.ts";
import { CancelledError } from "../../errors/cancelled-error.ts";
import { FileAccessError } from "../../errors/file-access-error.ts";
import { classifyAnswer } from "../../evaluation/no-answer/no-answer.ts";
import { randomStream } from "../../evaluation/statistics/random-stream.ts";
import { writeFileAtomically } from "../../formats/atomic-file.ts";
import type { OpenModel } from "../open-speakers.ts";
import { ownWords } from "../own-words.ts";
import { type Price, parsePrices, sumPrice, tokensOf } from "../price.ts";
import { writeLines } from "../write-lines.ts";
import { checkPrompt, type Difficulty, difficultyOf, matchOf } from "./check-question.ts";
import { Duplicates } from "./duplicates.ts";
import { type Goal, parseGoals, passagesFor } from "./goal.ts";
import { changeOf, readTwin, swapTwin, twinPrompt } from "./twin.ts";
import { answerPrompt, readAnswer, readQuestion, type WrittenQuestion, writerPrompt } from "./write-question.ts";

/** A line of questions.jsonl: `remora eval` and `remora debate` read question, reference, category, answerable and id. */
export interface QuestionRow {
  readonly id: string;
  readonly question: string;
  readonly reference?: readonly string[];
  readonly category: string;
  readonly answerable: boolean;
  readonly difficulty?: Difficulty;
  /** The passage that answers it; a twin's is the one that does not. Not called passage, or eval would hand it to models. */
  readonly evidence: string;
  readonly source: string;
  /** What the check heard, and how near to the expected answer it was, 0 to 1. */
  readonly check?: { readonly withPassage: CheckedAnswer; readonly without: CheckedAnswer };
  readonly twin?: { readonly of: string; readonly by: "model" | "swap"; readonly changed: readonly string[]; readonly refused: boolean };
}

export interface CheckedAnswer {
  readonly answer: string;
  readonly match: number;
}

/** A line of rejected.jsonl. */
export interface Rejected {
  readonly source: string;
  readonly goal: string;
  readonly reason: string;
  /** What the model wrote, word for word. */
  readonly said?: string;
  readonly question?: string;
  readonly check?: QuestionRow["check"];
}

export type QuestionsEvent =
  | { event: "questions-start"; passages: number; goals: string[]; duplicates: string; failures: OpenedPassages["failures"] }
  | { event: "question-kept"; row: QuestionRow; kept: number; count: number }
  | { event: "question-rejected"; rejected: Rejected };

export interface QuestionsReport {
  readonly files: { readonly questions: string; readonly rejected: string; readonly report: string };
  readonly passages: number;
  readonly tried: number;
  readonly kept: number;
  readonly twins: number;
  /** Kept questions by goal and by difficulty; refusals by reason. */
  readonly byGoal: Readonly<Record<string, number>>;
  readonly byDifficulty: Readonly<Record<string, number>>;
  readonly rejected: Readonly<Record<string, number>>;
  /** Of twins: the checker said that it does not know. */
  readonly twinsRefused: number;
  readonly duplicates: string;
  readonly failures: OpenedPassages["failures"];
}

export interface QuestionsOptions {
  readonly onEvent?: (event: QuestionsEvent) => void;
  readonly signal?: AbortSignal;
  /** @default by name, with answers cached in `out` */
  readonly openModel?: OpenModel;
}

/** Calls, tokens and money at most. Loads no model and asks nobody. */
export async function questionsPrice(input: QuestionsConfigInput): Promise<Price> {
  const config = parseConfig(questionsSchema, input, "Configuring remora questions");
  const { model, checker = model, maxTokens } = config;
  const attempts = attemptsOf(config);
  const frame = await tokensOf([
    JSON.stringify(writerPrompt({ document: "", label: "", text: "-" }, parseGoals([config.goal ?? []].flat())[0]!)),
  ]);
  const each = frame + config.chunkTokens;
  const twins = config.twins ? config.count : 0;
  const line = (who: string, name: string, calls: number, promptTokens: number) => ({
    who,
    model: name,
    calls,
    promptTokens,
    answerTokens: calls * maxTokens,
  });
  const lines = [
    line("writer", model, 2 * attempts + twins, (2 * attempts + twins) * each),
    line("checker", checker, 2 * attempts + twins, (attempts + twins) * each + attempts * frame),
  ];
  const isRemote = [model, checker].some((name) => parseModelName(name).kind === "remote");
  const prices = parsePrices(config.prices, ["writer", "checker"], "Configuring remora questions");
  return sumPrice(lines, prices, 3 * config.count + 2 * twins, isRemote);
}

/** @throws RemoraError; CancelledError when the signal aborts: what was kept is written */
export async function makeQuestions(input: QuestionsConfigInput, options: QuestionsOptions = {}): Promise<QuestionsReport> {
  const config = parseConfig(questionsSchema, input, "Configuring remora questions");
  const { signal, onEvent = () => {}, openModel = namedModels(config) } = options;
  const goals = parseGoals(config.goal === undefined ? [] : [config.goal].flat());
  const opened = await openPassages(config);
  const duplicates = new Duplicates(opened.embedder);
  const work = new Work(config, goals, opened.passages, duplicates, onEvent, signal);
  onEvent({
    event: "questions-start",
    passages: opened.passages.length,
    goals: goals.map(({ name }) => name),
    duplicates: duplicates.method,
    failures: opened.failures,
  });
  const models: NamedModel[] = [];
  try {
    makeFolder(config.out);
    models.push(await openModel(config.model));
    if (config.checker !== undefined && config.checker !== config.model) models.push(await openModel(config.checker));
    await work.run(models[0]!, models.at(-1)!);
  } finally {
    for (const model of models) await model.close();
    await opened.close();
    if (models.length > 0) await work.write(opened.failures);
  }
  return work.report(opened.failures);
}

interface Candidate {
  readonly goal: Goal;
  readonly passage: Passage;
}

interface Twin {
  readonly row: QuestionRow;
  readonly passage: Passage;
  readonly question: string;
  readonly by: "model" | "swap";
}

/** One run: what was tried, kept and refused. */
class Work {
  readonly #config: QuestionsConfig;
  readonly #queues: Map<Goal, Passage[]>;
  readonly #passages: readonly Passage[];
  readonly #duplicates: Duplicates;
  readonly #onEvent: (event: QuestionsEvent) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #used = new Set<Passage>();
  readonly #rows: QuestionRow[] = [];
  readonly #rejected: Rejected[] = [];
  readonly #random: () => number;
  #tried = 0;

  constructor(
    config: QuestionsConfig,
    goals: readonly Goal[],
    passages: readonly Passage[],
    duplicates: Duplicates,
    onEvent: (event: QuestionsEvent) => void,
    signal: AbortSignal | undefined,
  ) {
    this.#config = config;
    this.#queues = new Map(goals.map((goal) => [goal, passagesFor(goal, passages)]));
    this.#passages = passages;
    this.#duplicates = duplicates;
    this.#onEvent = onEvent;
    this.#signal = signal;
    this.#random = randomStream(config.seed);
  }

  async run(writer: NamedModel, checker: NamedModel): Promise<void> {
    const { count } = this.#config;
    while (this.#kept().length < count && this.#tried < attemptsOf(this.#config)) {
      const wanted = Math.min(writer.concurrency, count - this.#kept().length, attemptsOf(this.#config) - this.#tried);
      const batch = this.#next(wanted);
      if (batch.length === 0) return;
      this.#tried += batch.length;
      const written = await this.#write(batch, writer);
      const kept = await this.#check(written, checker);
      if (this.#config.twins) await this.#addTwins(kept, writer, checker);
    }
  }

  /** From the goal that has fewest questions so far; no passage serves twice while others wait. */
  #next(wanted: number): Candidate[] {
    const batch: Candidate[] = [];
    const load = (goal: Goal) =>
      this.#kept().filter(({ category }) => category === goal.name).length + batch.filter((each) => each.goal === goal).length;
    while (batch.length < wanted) {
      const [goal] = [...this.#queues]
        .filter(([, queue]) => queue.length > 0)
        .map(([each]) => each)
        .sort((a, b) => load(a) - load(b));
      if (!goal) return batch;
      const queue = this.#queues.get(goal)!;
      const fresh = queue.findIndex((passage) => !this.#used.has(passage));
      const [passage] = queue.splice(Math.max(0, fresh), 1);
      this.#used.add(passage!);
      batch.push({ goal, passage: passage! });
    }
    return batch;
  }

  async #write(batch: readonly Candidate[], writer: NamedModel): Promise<(Candidate & WrittenQuestion)[]> {
    const said = await this.#ask(
      writer,
      batch.map(({ passage, goal }) => writerPrompt(passage, goal)),
    );
    const drafts = said.map((text, index) => (text instanceof Error ? text.message : readQuestion(text, batch[index]!.passage)));
    const read = await this.#completeAnswers(batch, drafts, writer);
    const written: (Candidate & WrittenQuestion)[] = [];
    for (const [index, candidate] of batch.entries()) {
      const text = said[index]!;
      const draft = read[index]!;
      if (typeof draft === "string") {
        this.#reject(candidate, draft, { said: text instanceof Error ? undefined : text });
        continue;
      }
      const same = await this.#duplicates.findOrAdd(draft.question, this.#signal);
      if (same === undefined) written.push({ ...candidate, ...draft });
      else this.#reject(candidate, "it asks what another question asks", { question: draft.question, said: same });
    }
    return written;
  }

  /** Questions that came without an answer: the writer is asked for it, and its words must stand in the passage. */
  async #completeAnswers(
    batch: readonly Candidate[],
    drafts: readonly (WrittenQuestion | string)[],
    writer: NamedModel,
  ): Promise<(WrittenQuestion | string)[]> {
    const open = drafts.flatMap((draft, index) => (typeof draft !== "string" && draft.answer === "" ? [{ draft, index }] : []));
    const said = await this.#ask(
      writer,
      open.map(({ draft, index }) => answerPrompt(draft.question, batch[index]!.passage)),
    );
    const completed = [...drafts];
    for (const [place, { draft, index }] of open.entries()) {
      const text = said[place]!;
      const answer = text instanceof Error ? undefined : readAnswer(text, draft.question, batch[index]!.passage);
      if (text instanceof Error) completed[index] = text.message;
      else completed[index] = answer === undefined ? "the model gave no answer that stands in the passage" : { ...draft, answer };
    }
    return completed;
  }

  async #check(written: readonly (Candidate & WrittenQuestion)[], checker: NamedModel): Promise<{ row: QuestionRow; passage: Passage }[]> {
    const said = await this.#ask(
      checker,
      written.flatMap(({ question, passage }) => [checkPrompt(question, passage), checkPrompt(question, undefined)]),
    );
    const kept: { row: QuestionRow; passage: Passage }[] = [];
    for (const [index, candidate] of written.entries()) {
      const { question, answer, passage, goal } = candidate;
      const [from, without] = [said[2 * index]!, said[2 * index + 1]!];
      if (from instanceof Error || without instanceof Error) {
        this.#reject(candidate, (from instanceof Error ? from : (without as Error)).message, { question });
        continue;
      }
      const check = {
        withPassage: { answer: from, match: matchOf(ownWords(from), answer) },
        without: { answer: without, match: matchOf(ownWords(without), answer) },
      };
      if (check.withPassage.match < this.#config.minAnswered)
        this.#reject(candidate, "its passage did not lead to the expected answer", { question, check });
      else if (check.without.match >= this.#config.maxTrivial)
        this.#reject(candidate, "it is answered without its passage", { question, check });
      else {
        const row: QuestionRow = {
          id: `q${this.#kept().length + 1}`,
          question,
          reference: [answer],
          category: goal.name,
          answerable: true,
          difficulty: difficultyOf(question, passage, check.withPassage.match),
          evidence: passage.text,
          source: passage.label,
          check,
        };
        this.#keep(row);
        kept.push({ row, passage });
      }
    }
    return kept;
  }

  async #addTwins(kept: readonly { row: QuestionRow; passage: Passage }[], writer: NamedModel, checker: NamedModel): Promise<void> {
    const said = await this.#ask(
      writer,
      kept.map(({ row, passage }) => twinPrompt(row.question, passage)),
    );
    const twins = kept.flatMap(({ row, passage }, index): Twin[] => {
      const text = said[index]!;
      const read = text instanceof Error ? { problem: text.message } : readTwin(text, row.question, passage);
      if (typeof read === "string") return [{ row, passage, question: read, by: "model" }];
      const others = this.#passages.filter(({ document }) => document !== passage.document);
      const swapped = swapTwin(row.question, passage, others.length > 0 ? others : this.#passages, this.#random);
      if (swapped !== undefined) return [{ row, passage, question: swapped, by: "swap" }];
      const reason = `no twin: ${read.problem}, and it holds no name to exchange`;
      this.#rejectTwin(row, reason, text instanceof Error ? undefined : text);
      return [];
    });
    const answers = await this.#ask(
      checker,
      twins.map(({ question, passage }) => checkPrompt(question, passage)),
    );
    for (const [index, { row, passage, question, by }] of twins.entries()) {
      const answer = answers[index]!;
      const refused = typeof answer === "string" && classifyAnswer({ text: answer }) !== "answered";
      const { category, evidence, source } = row;
      const changed = changeOf(question, row.question, passage);
      this.#rows.push({
        id: `${row.id}-twin`,
        question,
        category,
        answerable: false,
        evidence,
        source,
        twin: { of: row.id, by, changed, refused },
      });
    }
  }

  async #ask(model: NamedModel, requests: readonly AskRequest[]): Promise<(string | Error)[]> {
    if (this.#signal?.aborted) throw new CancelledError("Making questions");
    const { maxTokens, temperature, seed, stop } = this.#config;
    const settings = { maxTokens, temperature, seed, ...(stop !== undefined && { stop: [stop].flat() }) };
    const answers = await askAll(
      model,
      requests.map((request) => ({ ...request, settings })),
      this.#signal,
    );
    return answers.map((answer) => (answer instanceof Error ? answer : answer.text.trim()));
  }

  #kept(): QuestionRow[] {
    return this.#rows.filter(({ answerable }) => answerable);
  }

  #keep(row: QuestionRow): void {
    this.#rows.push(row);
    this.#onEvent({ event: "question-kept", row, kept: this.#kept().length, count: this.#config.count });
  }

  #reject({ passage, goal }: Candidate, reason: string, more: Partial<Rejected>): void {
    const rejected = { source: passage.label, goal: goal.name, reason, ...more };
    this.#rejected.push(rejected);
    this.#onEvent({ event: "question-rejected", rejected });
  }

  #rejectTwin({ source, category, question }: QuestionRow, reason: string, said: string | undefined): void {
    const rejected = { source, goal: category, reason, question, said };
    this.#rejected.push(rejected);
    this.#onEvent({ event: "question-rejected", rejected });
  }

  async write(failures: OpenedPassages["failures"]): Promise<void> {
    const { questions, rejected, report } = this.#files();
    await writeLines(questions, this.#rows);
    await writeLines(rejected, this.#rejected);
    await writeFileAtomically(report, `${JSON.stringify(this.report(failures), null, 2)}\n`);
  }

  report(failures: OpenedPassages["failures"]): QuestionsReport {
    const kept = this.#kept();
    const twins = this.#rows.filter(({ twin }) => twin !== undefined);
    return {
      files: this.#files(),
      passages: this.#passages.length,
      tried: this.#tried,
      kept: kept.length,
      twins: twins.length,
      byGoal: countBy(kept.map(({ category }) => category)),
      byDifficulty: countBy(kept.map(({ difficulty }) => difficulty!)),
      rejected: countBy(this.#rejected.map(({ reason }) => reason.replace(/\d+/g, "n"))),
      twinsRefused: twins.filter(({ twin }) => twin!.refused).length,
      duplicates: this.#duplicates.method,
      failures,
    };
  }

  #files(): QuestionsReport["files"] {
    const { out } = this.#config;
    return { questions: join(out, "questions.jsonl"), rejected: join(out, "rejected.jsonl"), report: join(out, "report.json") };
  }
}

const attemptsOf = ({ attempts, count }: QuestionsConfig): number => attempts ?? 4 * count;

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function namedModels(config: QuestionsConfig): OpenModel {
  const local = Object.fromEntries(
    Object.keys(sessionSchema.shape).flatMap((name) => {
      const value = (config as Record<string, unknown>)[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  return (name) => openNamedModel(name, { cache: join(config.out, "answers"), local });
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (cause) {
    throw new FileAccessError("Making the folder", path, cause);
  }
}
