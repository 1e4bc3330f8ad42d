/**
 * One question debated: in each round all speak at once, seeing what was said in the round before; then the judge ends the debate, asks for another
 * round, or finds no consensus. A model that fails loses its turn and is named; the others go on.
 */

import type { NamedModel } from "../asking/named-model.ts";
import type { AskAnswer, AskSettings } from "../config/reports.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { RemoraError } from "../errors/remora-error.ts";
import { RequestError } from "../errors/request-error.ts";
import type { Question } from "../evaluation/eval/questions.ts";
import { languageOf } from "../retrieval/answer/prompt.ts";
import type { Hit } from "../retrieval/hit.ts";
import { type Agreement, agreementOf } from "./agreement.ts";
import { checkCitations } from "./check-citations.ts";
import type { DebateRecord, Turn, Verdict } from "./debate-record.ts";
import type { Debater } from "./debater.ts";
import { guardConfidence } from "./guard-confidence.ts";
import { ownWords } from "./own-words.ts";
import { judgePrompt, speakerPrompt } from "./prompts.ts";
import { type Decision, readDecision } from "./read-decision.ts";
import { SourceRegister } from "./source-register.ts";

export interface Speaker {
  readonly debater: Debater;
  readonly model: NamedModel;
  /** Its own retrieval: what supports an answer, best first; nothing when nothing does. */
  find(question: string, signal?: AbortSignal): Promise<readonly Hit[]>;
}

export interface DebateRules {
  readonly key: string;
  readonly rounds: number;
  readonly judge?: NamedModel;
  readonly settings: AskSettings;
  readonly instructions?: string;
  readonly signal?: AbortSignal;
  readonly onTurn?: (turn: Turn) => void;
  readonly onVerdict?: (verdict: Verdict) => void;
  /** Milliseconds. */
  readonly now: () => number;
}

/** @throws CancelledError; EndpointError and the like from retrieval */
export async function holdDebate(question: Question, speakers: readonly Speaker[], rules: DebateRules): Promise<DebateRecord> {
  const started = rules.now();
  const register = new SourceRegister();
  const own: number[][] = [];
  for (const speaker of speakers) own.push(register.add(await speaker.find(question.question, rules.signal)));
  const turns: Turn[] = [];
  const verdicts: Verdict[] = [];
  let last: Turn[] = [];
  let decided: Decision | undefined;
  let round = 0;
  while (round < rules.rounds && !(decided && decided.decision !== "continue")) {
    round++;
    const before = last;
    last = await Promise.all(speakers.map((speaker, place) => speak(question, speaker, round, own[place]!, before, register, rules)));
    turns.push(...last);
    if (last.every(({ error }) => error !== undefined)) break;
    if (!rules.judge) continue;
    const ruling = await judge(question.question, rules.judge, last, round, register, rules);
    verdicts.push(ruling.verdict);
    decided = ruling.decision;
  }
  const agreement = agreementOf(last.map(({ text }) => text));
  return {
    key: rules.key,
    id: question.id,
    question: question.question,
    references: question.references,
    category: question.category,
    answerable: question.answerable,
    ...outcome(question.question, decided, last, agreement, register),
    agreement: agreement.share,
    rounds: round,
    turns,
    verdicts,
    sources: register.all(),
    seconds: (rules.now() - started) / 1000,
  };
}

type Outcome = Pick<DebateRecord, "status" | "decidedBy" | "answer" | "confidence" | "guard">;

function outcome(
  question: string,
  decided: Decision | undefined,
  last: readonly Turn[],
  agreement: Agreement,
  register: SourceRegister,
): Outcome {
  const nothing = { answer: "", confidence: 0 };
  if (last.every(({ error }) => error !== undefined)) return { status: "failed", decidedBy: "nobody", ...nothing };
  if (decided?.decision === "no-consensus") return { status: "no-consensus", decidedBy: "judge", ...nothing };
  const sources = register.all();
  const byJudge = decided?.decision === "answer";
  if (!byJudge && agreement.speaker === undefined) return { status: "no-consensus", decidedBy: "agreement", ...nothing };
  const answer = byJudge ? checkCitations(decided.answer, question, sources).text : last[agreement.speaker!]!.text;
  const confidence = byJudge ? (decided.confidence ?? agreement.share) : agreement.share;
  const passages = sources.map(({ text }) => text);
  const guard = guardConfidence(answer, question, passages, confidence, agreement.isUnanimous);
  return { status: "answered", decidedBy: byJudge ? "judge" : "agreement", answer, confidence: guard.confidence, guard };
}

async function speak(
  { question }: Question,
  { debater, model }: Speaker,
  round: number,
  own: readonly number[],
  before: readonly Turn[],
  register: SourceRegister,
  rules: DebateRules,
): Promise<Turn> {
  const started = rules.now();
  // What others lean on may be looked up: their sources of the last round, behind one's own.
  const shown = [...new Set([...own, ...before.flatMap(({ cited, added }) => [...cited, ...added])])];
  const statements = before.filter(({ text }) => text !== "").map(({ debater: name, text }) => ({ name, text }));
  const { instructions } = rules;
  const language = languageOf(question);
  const settings = {
    ...rules.settings,
    ...(debater.temperature !== undefined && { temperature: debater.temperature }),
    ...(debater.seed !== undefined && { seed: debater.seed }),
  };
  const fixed = { round, debater: debater.name };
  try {
    const { answer, kept } = await askFitting(model, shown, settings, rules.signal, (numbers) =>
      speakerPrompt({ debater, question, language, context: register.context(numbers), before: statements, instructions }),
    );
    const said = answer.text.trim();
    const given = kept.map((number) => ({ number, text: register.textOf(number) }));
    const turn = {
      ...fixed,
      ...checkCitations(ownWords(said), question, given),
      said,
      given: kept,
      leftOut: shown.length - kept.length,
      promptTokens: answer.promptTokens,
      tokens: answer.tokens,
      seconds: (rules.now() - started) / 1000,
      ...(!/[\p{L}\p{N}]/u.test(ownWords(said)) && { text: "", error: "it said nothing" }),
    };
    rules.onTurn?.(turn);
    return turn;
  } catch (error) {
    const nothing = { text: "", said: "", cited: [], invented: [], added: [], given: [], leftOut: 0, promptTokens: 0, tokens: 0 };
    const turn = { ...fixed, ...nothing, seconds: (rules.now() - started) / 1000, error: messageOf(error, rules.signal) };
    rules.onTurn?.(turn);
    return turn;
  }
}

async function judge(
  question: string,
  model: NamedModel,
  last: readonly Turn[],
  round: number,
  register: SourceRegister,
  rules: DebateRules,
): Promise<{ verdict: Verdict; decision: Decision | undefined }> {
  const canContinue = round < rules.rounds;
  const spoke = last.filter(({ text }) => text !== "");
  const cited = [...new Set(spoke.flatMap((turn) => [...turn.cited, ...turn.added]))].sort((a, b) => a - b);
  // Letters instead of names: a judge must weigh what is said, not who says it.
  const statements = spoke.map(({ text }, place) => ({ name: String.fromCharCode(65 + place), text }));
  const language = languageOf(question);
  let verdict: Verdict;
  let decision: Decision | undefined;
  try {
    const { answer } = await askFitting(model, cited, rules.settings, rules.signal, (numbers) =>
      judgePrompt({ question, language, context: register.context(numbers), statements, canContinue }),
    );
    const said = answer.text.trim();
    decision = readDecision(
      said,
      canContinue,
      statements.map(({ text }) => text),
    );
    verdict = {
      round,
      decision: decision?.decision,
      why: decision?.why ?? "",
      said,
      promptTokens: answer.promptTokens,
      tokens: answer.tokens,
      ...(decision === undefined && { problem: "the judge's words hold no decision" }),
    };
  } catch (error) {
    verdict = { round, why: "", said: "", promptTokens: 0, tokens: 0, problem: messageOf(error, rules.signal) };
  }
  rules.onVerdict?.(verdict);
  return { verdict, decision };
}

/** Too long for the model's context: the last source goes first. */
async function askFitting(
  model: NamedModel,
  sources: readonly number[],
  settings: AskSettings,
  signal: AbortSignal | undefined,
  prompt: (numbers: readonly number[]) => string,
): Promise<{ answer: AskAnswer; kept: readonly number[] }> {
  for (let count = sources.length; ; count--) {
    const kept = sources.slice(0, count);
    try {
      const answer = await model.ask({ messages: [{ role: "user", content: prompt(kept) }], settings }, { signal });
      if (answer.finishReason === "cancelled") throw new CancelledError("Debating");
      return { answer, kept };
    } catch (error) {
      if (!RequestError.isInstance(error) || count === 0) throw error;
    }
  }
}

/** A failed call is its turn's misfortune; being stopped is everybody's. */
function messageOf(error: unknown, signal: AbortSignal | undefined): string {
  if (signal?.aborted || CancelledError.isInstance(error)) throw new CancelledError("Debating");
  if (!(error instanceof Error)) throw error;
  return RemoraError.isInstance(error) ? `${error.doing}: ${error.problem}` : error.message;
}
