/**
 * Rendered segments → token ids and which of them are trained: the one place that decides about begin- and end-of-text.
 *
 * - Begin-of-text stands exactly once, whether the template writes it or the tokenizer's convention adds it.
 * - An answer ends in exactly one end-of-text, always trained: the template's own where it writes one, else the tokenizer's first.
 * - The asking prompt stops before the response and holds no end-of-text, or the model would be asked to go on after "the end".
 */
import { TemplateError } from "../../errors/template-error.ts";
import type { Tokenizer } from "../tokenizer.ts";
import type { Rendered, Template, TemplateRow } from "./template.ts";

export interface EncodedRow {
  ids: number[];
  /** 1 where the model learns to write this token. Same length as `ids`. */
  trained: number[];
  /** Tokens before the first trained one. */
  promptLength: number;
}

export interface EncodeRowOptions {
  /** `all`: the prompt is learnt too. @default "responses" */
  trainOn?: "responses" | "all";
}

/** The whole row for training. @throws TemplateError when the prompt holds an end-of-text or nothing is trained */
export function encodeRow(tokenizer: Tokenizer, template: Template, row: TemplateRow, options: EncodeRowOptions = {}): EncodedRow {
  const rendered = template.render(row);
  const isEnd = endTest(tokenizer);
  const ids: number[] = [];
  const trained: number[] = [];
  const append = (id: number, learn: boolean) => {
    ids.push(id);
    trained.push(learn ? 1 : 0);
  };
  const lastAnswer = rendered.segments.findLastIndex((segment) => segment.trained);
  if (lastAnswer < 0) throw noAnswer(template);
  let closed = false;
  rendered.segments.forEach((segment, index) => {
    if (closed) return;
    const piece = encodeSegment(tokenizer, rendered, index);
    if (!segment.trained && !segment.endsAnswer && template.kind === "prompt") checkPrompt(tokenizer, template, piece, isEnd);
    if (index === lastAnswer && template.kind === "chat") checkLastPrompt(tokenizer, template, ids, isEnd);
    const isLast = index >= lastAnswer;
    const end = segment.endsAnswer || segment.trained ? piece.findIndex(isEnd) : -1;
    piece.forEach((id, i) => {
      if (isLast && end >= 0 && i > end) return;
      append(id, segment.trained || (segment.endsAnswer === true && (isLast || i <= end)));
    });
    if (isLast && end >= 0) closed = true;
  });
  if (!closed) append(endToken(tokenizer, template), true);
  const begun = oneBegin(tokenizer, ids);
  if (begun.length > ids.length) trained.unshift(0);
  else trained.splice(0, ids.length - begun.length);
  // the end token alone is no answer: a template that drops the output would otherwise pass
  if (!trained.some((flag, i) => flag === 1 && !isEnd(begun[i]!))) throw noAnswer(template);
  const promptLength = trained.indexOf(1);
  if (options.trainOn === "all") trained.fill(1);
  return { ids: begun, trained, promptLength };
}

/** What is asked: ids of the prompt, begin-of-text included, response not begun. */
export function encodePrompt(tokenizer: Tokenizer, template: Template, row: TemplateRow): number[] {
  const rendered = template.renderPrompt(row);
  const isEnd = endTest(tokenizer);
  const ids = rendered.segments.flatMap((_, index) => encodeSegment(tokenizer, rendered, index));
  if (template.kind === "prompt") checkPrompt(tokenizer, template, ids, isEnd);
  else checkLastPrompt(tokenizer, template, ids, isEnd);
  return oneBegin(tokenizer, ids);
}

function encodeSegment(tokenizer: Tokenizer, rendered: Rendered, index: number): number[] {
  return tokenizer.encode(rendered.segments[index]!.text, { special: true, guard: rendered.guard, continues: index > 0 });
}

/** GPT-2 has one token for begin and end; where it opens a text it is a begin (see the checks below). */
const endTest = (tokenizer: Tokenizer): ((id: number) => boolean) => {
  const ends = new Set(tokenizer.eos);
  return (id) => ends.has(id);
};

function oneBegin(tokenizer: Tokenizer, ids: number[]): number[] {
  const { bos, addsBos } = tokenizer;
  if (bos === undefined) return ids;
  let start = 0;
  while (ids[start + 1] === bos && ids[start] === bos) start++;
  if (ids[start] === bos) return ids.slice(start);
  return addsBos ? [bos, ...ids] : ids;
}

function endToken(tokenizer: Tokenizer, template: Template): number {
  const end = tokenizer.eos[0];
  if (end === undefined) {
    throw new TemplateError(
      template.name,
      "expected an end-of-text token to train after the response, found that the tokenizer names none",
      'Set "eos_token" in the model\'s tokenizer_config.json.',
    );
  }
  return end;
}

function checkPrompt(tokenizer: Tokenizer, template: Template, ids: readonly number[], isEnd: (id: number) => boolean): void {
  const found = ids.find((id, index) => isEnd(id) && !(index === 0 && id === tokenizer.bos));
  if (found === undefined) return;
  throw new TemplateError(
    template.name,
    `expected the asking prompt to stay open, found the end-of-text token ${JSON.stringify(tokenizer.tokenOf(found))} in it: the model would answer after the end, often with nothing`,
    "Remove it from the template: remora adds the end-of-text after the response by itself.",
  );
}

function checkLastPrompt(tokenizer: Tokenizer, template: Template, ids: readonly number[], isEnd: (id: number) => boolean): void {
  let last = ids.length - 1;
  while (last > 0 && tokenizer.decode([ids[last]!], { skipSpecial: false }).trim() === "") last--;
  const id = ids[last];
  if (id === undefined || !isEnd(id) || (last === 0 && id === tokenizer.bos)) return;
  throw new TemplateError(
    template.name,
    `expected the asking prompt to open the assistant's turn, found that it ends in the end-of-text token ${JSON.stringify(tokenizer.tokenOf(id))}`,
    "Add {% if add_generation_prompt %}…{% endif %} with the header of the assistant's turn at the end of the chat template.",
  );
}

const noAnswer = (template: Template): TemplateError =>
  new TemplateError(
    template.name,
    "expected a response to train on, found none: zero trained tokens",
    "Put {{ output }} (Jinja) or the third {} (plain text) where the response stands, or give the row an answer.",
  );
