/**
 * Citations checked against what was given: a number that names no source given to the speaker is marked where it stands, and a sentence whose
 * wording leans on a source that it does not cite gets the number added. So every claim that leans on a source cites it, and the record says who
 * cited what by themselves.
 */
import { groundedness } from "../evaluation/scores/groundedness.ts";
import { CITATION, numbersCited } from "../retrieval/answer/answer-question.ts";
import { splitSentences } from "../retrieval/chunks/split-sentences.ts";
import { withoutQuestion } from "./without-question.ts";

export interface CheckedStatement {
  /** With added citations, and invented ones marked `[7: no such source]`. */
  readonly text: string;
  /** By the speaker, among the sources given. */
  readonly cited: readonly number[];
  /** By the speaker, naming nothing that was given. */
  readonly invented: readonly number[];
  /** Added here. */
  readonly added: readonly number[];
}

export interface GivenSource {
  readonly number: number;
  readonly text: string;
}

/** Share of a sentence's content (question's own words left out) in one source from which on the sentence leans on it. */
const LEANS = 0.7;

export function checkCitations(statement: string, question: string, given: readonly GivenSource[]): CheckedStatement {
  const known = new Set(given.map(({ number }) => number));
  const all = numbersCited(statement);
  const cited = all.filter((number) => known.has(number));
  const added = new Set<number>();
  const sentences = splitSentences(beforeStops(statement)).map((sentence) => {
    if (numbersCited(sentence).some((number) => known.has(number))) return sentence;
    const leaned = leansOn(sentence, question, given);
    if (leaned === undefined) return sentence;
    added.add(leaned);
    return sentence.replace(/(?=[.!?。！？]*\s*$)/u, ` [${leaned}]`);
  });
  return {
    text: markInvented(sentences.join(""), known),
    cited,
    invented: all.filter((number) => !known.has(number)),
    added: [...added].sort((a, b) => a - b),
  };
}

/** `It eats. [2]` → `It eats [2].`: a citation behind the full stop belongs to the sentence before it. */
const beforeStops = (text: string): string =>
  text.replace(/([.!?。！？]+)\s*((?:\s*[[［][\d０-９,、;，；\s]{1,40}[\]］])+)/g, (_, stop: string, citations: string) =>
    /[。！？]/.test(stop) ? `${citations.trim()}${stop}` : ` ${citations.trim()}${stop}`,
  );

/** The source that holds most of the sentence, where one holds enough. */
function leansOn(sentence: string, question: string, given: readonly GivenSource[]): number | undefined {
  const claim = withoutQuestion(sentence.normalize("NFKC").replace(CITATION, ""), question);
  let best: { number: number; share: number } | undefined;
  for (const { number, text } of given) {
    const { share = 0 } = groundedness(claim, [text]);
    if (share >= LEANS && share > (best?.share ?? 0)) best = { number, share };
  }
  return best?.number;
}

function markInvented(text: string, known: ReadonlySet<number>): string {
  return text.replace(/[[［][\d０-９,、;，；\s]{1,40}[\]］]/g, (citation) =>
    citation.normalize("NFKC").replace(CITATION, (whole, list: string) => {
      const numbers = list.split(/[,、;]/).map(Number);
      if (numbers.every((number) => known.has(number))) return whole;
      return numbers.map((number) => (known.has(number) ? `[${number}]` : `[${number}: no such source]`)).join("");
    }),
  );
}

/** For scores and training rows: the words alone. */
export function withoutCitations(text: string): string {
  return text
    .normalize("NFC")
    .replace(/\s*[[［](?:[\d０-９]{1,3}(?:\s*[,、;，；]\s*[\d０-９]{1,3})*|\d{1,3}: no such source)[\]］]/g, "")
    .trim();
}
