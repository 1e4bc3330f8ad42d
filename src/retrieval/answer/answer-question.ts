/**
 * A question answered from an index: retrieve, see whether anything supports an answer, ask the model, or say that nothing is known.
 *
 * The model is a function (`Answerer`): a session of the engine today, any model by name later.
 */
import type { AskAnswer, AskRequest } from "../../config/reports.ts";
import { RequestError } from "../../errors/request-error.ts";
import type { Hit } from "../hit.ts";
import { type Retrieved, type RetrieveOptions, retrieve } from "../retrieve.ts";
import type { DocumentIndex } from "../store/document-index.ts";
import { type AnswerPrompt, contextOf, defaultInstructions, languageOf, NOT_KNOWN, promptText } from "./prompt.ts";

/** Asks a model one thing. */
export type Answerer = (request: AskRequest, options: { onText?: (text: string) => void; signal?: AbortSignal }) => Promise<AskAnswer>;

export interface SupportThresholds {
  /** Cosine from which on a source supports an answer. */
  readonly minSimilarity: number;
  /** Share of the question's content words from which on it does. */
  readonly minCoverage: number;
}

export interface AnswerOptions extends RetrieveOptions {
  readonly support: SupportThresholds;
  /** @default by the question's language */
  readonly instructions?: string;
  /** Name of the template that the model's rows go through; decides the form of the request. Asked only when there is something to answer from. */
  readonly template?: () => Promise<string>;
  readonly onPrompt?: (prompt: AnswerPrompt, hits: readonly Hit[]) => void;
  readonly onText?: (text: string) => void;
}

export interface GroundedAnswer {
  readonly question: string;
  readonly answer: string;
  /** `no-support`: nothing retrieved reaches a threshold, so no model was asked. */
  readonly status: "answered" | "no-support" | "cancelled";
  /** Given to the model, in the order of their numbers. */
  readonly sources: readonly Hit[];
  /** Numbers that the answer names, from 1. */
  readonly cited: readonly number[];
  readonly search: Retrieved["search"];
  readonly support: Support & SupportThresholds;
  readonly prompt?: AnswerPrompt;
  readonly model?: AskAnswer;
  /** Sources left out because the prompt would not have fitted the model's context. */
  readonly sourcesLeftOut: number;
}

export interface Support {
  readonly isSupported: boolean;
  readonly bestSimilarity: number | undefined;
  readonly bestCoverage: number;
}

/** Does any hit support an answer? Either measure is enough: vectors know paraphrases, words know names. */
export function judgeSupport(hits: readonly Hit[], { minSimilarity, minCoverage }: SupportThresholds): Support {
  const similarities = hits.flatMap(({ similarity }) => (similarity === undefined ? [] : [similarity]));
  const bestSimilarity = similarities.length > 0 ? Math.max(...similarities) : undefined;
  const bestCoverage = Math.max(0, ...hits.map(({ coverage }) => coverage));
  const isSupported = hits.length > 0 && ((bestSimilarity !== undefined && bestSimilarity >= minSimilarity) || bestCoverage >= minCoverage);
  return { isSupported, bestSimilarity, bestCoverage };
}

/** @throws RequestError when not even one source leaves room for an answer; EndpointError; IndexError */
export async function answerQuestion(
  index: DocumentIndex | undefined,
  question: string,
  answerer: Answerer,
  options: AnswerOptions,
): Promise<GroundedAnswer> {
  const language = languageOf(question);
  const { search, hits } = await retrieve(index, question, options);
  const support = { ...judgeSupport(hits, options.support), ...options.support };
  const base = { question, search, support };
  if (!support.isSupported) {
    return { ...base, answer: NOT_KNOWN[language], status: "no-support", sources: hits, cited: [], sourcesLeftOut: 0 };
  }
  const instructions = options.instructions ?? defaultInstructions(language);
  const template = await options.template?.();
  for (let count = hits.length; ; count--) {
    const sources = hits.slice(0, count);
    const prompt: AnswerPrompt = { instructions, context: contextOf(sources), question, language };
    try {
      options.onPrompt?.(prompt, sources);
      const model = await answerer(requestOf(prompt, template), { onText: options.onText, signal: options.signal });
      const status = model.finishReason === "cancelled" ? "cancelled" : "answered";
      const answer = model.text.trim();
      return { ...base, answer, status, sources, cited: citedIn(answer, count), prompt, model, sourcesLeftOut: hits.length - count };
    } catch (error) {
      // Too long for the model's context: the last source is the one that matters least.
      if (!RequestError.isInstance(error) || count <= 1) throw error;
    }
  }
}

/** What the model's template makes of it: a template with a place for context gets it there, as in training rows; others get one text. */
function requestOf(prompt: AnswerPrompt, template: string | undefined): AskRequest {
  if (template === "raw") return { prompt: promptText(prompt, { withAnswerLine: true }) };
  if (template === "instruct-context") return { row: { instruction: prompt.question, context: prompt.context } };
  return { messages: [{ role: "user", content: promptText(prompt, { withAnswerLine: false }) }] };
}

/** `[2]`, `[1, 3]`, `［２］`: numbers of sources that exist, each once. */
const citedIn = (answer: string, count: number): number[] => numbersCited(answer).filter((number) => number >= 1 && number <= count);

/** Every number that stands as a citation, of sources that exist or not, each once, the least first. */
export function numbersCited(answer: string): number[] {
  const numbers = [...answer.normalize("NFKC").matchAll(CITATION)].flatMap(([, list]) => list!.split(/[,、;]/).map(Number));
  return [...new Set(numbers)].sort((a, b) => a - b);
}

/** On text in NFKC. */
export const CITATION = /\[(\d{1,3}(?:\s*[,、;]\s*\d{1,3})*)\]/g;
