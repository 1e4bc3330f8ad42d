/**
 * The three steps of a batch of passages: a question is written for each, checked, and given a twin. What a step refuses it names in the log; what
 * it lets through goes to the next.
 */
import type { NamedModel } from "../../asking/named-model.ts";
import type { AskRequest } from "../../config/reports.ts";
import type { QuestionsConfig } from "../../config/schemas/debate.ts";
import type { Passage } from "../../engine/open-passages.ts";
import { classifyAnswer } from "../../evaluation/no-answer/no-answer.ts";
import { ownWords } from "../own-words.ts";
import type { Candidate } from "./candidates.ts";
import { checkPrompt, difficultyOf, matchOf } from "./check-question.ts";
import type { Duplicates } from "./duplicates.ts";
import type { QuestionLog } from "./question-log.ts";
import type { QuestionRow, Rejected } from "./question-record.ts";
import { changeOf, readTwin, swapTwin, twinPrompt } from "./twin.ts";
import { answerPrompt, readAnswer, readQuestion, type WrittenQuestion, writerPrompt } from "./write-question.ts";

/** What all steps share. */
export interface StepContext {
  readonly config: Pick<QuestionsConfig, "minAnswered" | "maxTrivial">;
  readonly log: QuestionLog;
  readonly duplicates: Duplicates;
  /** Of all documents: names are exchanged with those of others. */
  readonly passages: readonly Passage[];
  /** Answers in the order of the requests, trimmed; a call that failed is its error. */
  readonly ask: (model: NamedModel, requests: readonly AskRequest[]) => Promise<(string | Error)[]>;
  readonly random: () => number;
  readonly signal: AbortSignal | undefined;
}

type Written = Candidate & WrittenQuestion;

/** A question with its answer for each passage, new among all that were written. */
export async function writeQuestions(batch: readonly Candidate[], writer: NamedModel, context: StepContext): Promise<Written[]> {
  const said = await context.ask(
    writer,
    batch.map(({ passage, goal }) => writerPrompt(passage, goal)),
  );
  const drafts = said.map((text, index) => (text instanceof Error ? text.message : readQuestion(text, batch[index]!.passage)));
  const read = await completeAnswers(batch, drafts, writer, context);
  const written: Written[] = [];
  for (const [index, candidate] of batch.entries()) {
    const text = said[index]!;
    const draft = read[index]!;
    if (typeof draft === "string") {
      context.log.reject(rejected(candidate, draft, { said: text instanceof Error ? undefined : text }));
      continue;
    }
    const same = await context.duplicates.findOrAdd(draft.question, context.signal);
    if (same === undefined) written.push({ ...candidate, ...draft });
    else context.log.reject(rejected(candidate, "it asks what another question asks", { question: draft.question, said: same }));
  }
  return written;
}

/** Questions that came without an answer: the writer is asked for it, and its words must stand in the passage. */
async function completeAnswers(
  batch: readonly Candidate[],
  drafts: readonly (WrittenQuestion | string)[],
  writer: NamedModel,
  { ask }: StepContext,
): Promise<(WrittenQuestion | string)[]> {
  const open = drafts.flatMap((draft, index) => (typeof draft !== "string" && draft.answer === "" ? [{ draft, index }] : []));
  const said = await ask(
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

interface Kept {
  readonly row: QuestionRow;
  readonly passage: Passage;
}

/** Kept is what its passage leads to the expected answer of, and nothing else does. */
export async function checkQuestions(written: readonly Written[], checker: NamedModel, { ask, log, config }: StepContext): Promise<Kept[]> {
  const said = await ask(
    checker,
    written.flatMap(({ question, passage }) => [checkPrompt(question, passage), checkPrompt(question, undefined)]),
  );
  const kept: Kept[] = [];
  for (const [index, candidate] of written.entries()) {
    const { question, answer, passage, goal } = candidate;
    const [from, without] = [said[2 * index]!, said[2 * index + 1]!];
    if (from instanceof Error || without instanceof Error) {
      log.reject(rejected(candidate, (from instanceof Error ? from : (without as Error)).message, { question }));
      continue;
    }
    const check = {
      withPassage: { answer: from, match: matchOf(ownWords(from), answer) },
      without: { answer: without, match: matchOf(ownWords(without), answer) },
    };
    if (check.withPassage.match < config.minAnswered)
      log.reject(rejected(candidate, "its passage did not lead to the expected answer", { question, check }));
    else if (check.without.match >= config.maxTrivial)
      log.reject(rejected(candidate, "it is answered without its passage", { question, check }));
    else {
      const row = log.keep({
        question,
        reference: [answer],
        category: goal.name,
        answerable: true,
        difficulty: difficultyOf(question, passage, check.withPassage.match),
        evidence: passage.text,
        source: passage.label,
        check,
      });
      kept.push({ row, passage });
    }
  }
  return kept;
}

interface Twin extends Kept {
  readonly question: string;
  readonly by: "model" | "swap";
}

/** For each kept question one that its passage does not answer: the model's, else one made by exchanging a name. */
export async function addTwins(kept: readonly Kept[], writer: NamedModel, checker: NamedModel, context: StepContext): Promise<void> {
  const { ask, log, passages, random } = context;
  const said = await ask(
    writer,
    kept.map(({ row, passage }) => twinPrompt(row.question, passage)),
  );
  const twins = kept.flatMap(({ row, passage }, index): Twin[] => {
    const text = said[index]!;
    const read = text instanceof Error ? { problem: text.message } : readTwin(text, row.question, passage);
    if (typeof read === "string") return [{ row, passage, question: read, by: "model" }];
    const others = passages.filter(({ document }) => document !== passage.document);
    const swapped = swapTwin(row.question, passage, others.length > 0 ? others : passages, random);
    if (swapped !== undefined) return [{ row, passage, question: swapped, by: "swap" }];
    const { source, category: goal, question } = row;
    const reason = `no twin: ${read.problem}, and it holds no name to exchange`;
    log.reject({ source, goal, reason, question, said: text instanceof Error ? undefined : text });
    return [];
  });
  const answers = await ask(
    checker,
    twins.map(({ question, passage }) => checkPrompt(question, passage)),
  );
  for (const [index, { row, passage, question, by }] of twins.entries()) {
    const answer = answers[index]!;
    const refused = typeof answer === "string" && classifyAnswer({ text: answer }) !== "answered";
    const { category, evidence, source } = row;
    const twin = { of: row.id, by, changed: changeOf(question, row.question, passage), refused };
    log.keepTwin({ id: `${row.id}-twin`, question, category, answerable: false, evidence, source, twin });
  }
}

function rejected({ passage, goal }: Candidate, reason: string, more: Partial<Rejected>): Rejected {
  return { source: passage.label, goal: goal.name, reason, ...more };
}
