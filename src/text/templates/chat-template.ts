/**
 * The model's own chat format, rendered from its Jinja source; every assistant turn of a conversation is trained.
 *
 * The prompt is what the template renders for asking (everything before the last answer, with the assistant's header), so a tuned model
 * meets at work exactly what it was trained on. Answers inside it stand at private characters while it is rendered, which gives their places
 * by construction; what follows the last answer is read off the rendering of the whole conversation. Some templates change earlier text
 * when a turn is added (Mistral Nemo moves the system message into the last user turn; Qwen3 drops old thoughts): the prompt as asked wins.
 */
import type { Template as Jinja } from "@huggingface/jinja";
import { TemplateError } from "../../errors/template-error.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { makeProtector, privateCharacters } from "./guard.ts";
import { parseJinja, renderJinja, tokenNames } from "./jinja-template.ts";
import type { Message, Rendered, Segment, Template, TemplateRow } from "./template.ts";

/** First private character used as a stand-in for an answer; numbered so that many turns stay apart. */
const slotText = (slot: string, turn: number): string => `${slot}${turn}${slot}`;

export class ChatTemplate implements Template {
  readonly name: string;
  readonly kind = "chat";
  readonly #jinja: Jinja;
  readonly #names: Record<string, string>;
  readonly #protect: (text: string, guard: string) => string;

  /** @param source  Jinja; the tokenizer's own chat template when left out */
  constructor(tokenizer: Tokenizer, source = tokenizer.chatTemplate, name = "chat") {
    this.name = name;
    if (source === undefined) {
      throw new TemplateError(
        name,
        "expected the model to bring a chat template, found none in its tokenizer",
        "Choose the template instruct for a base model, or give a chat template as a Jinja file.",
      );
    }
    this.#jinja = parseJinja(name, source);
    this.#names = tokenNames(tokenizer);
    this.#protect = makeProtector(tokenizer.specialTokens);
  }

  render(row: TemplateRow): Rendered {
    const { messages, guard, slot } = this.#prepare(row, true);
    const last = messages.length - 1;
    const answer = messages[last]!;
    const prompt = this.#withSlots(messages.slice(0, last), guard, slot, true);
    const whole = this.#withSlots(messages, guard, slot, false);
    const mark = slotText(slot, last);
    const at = whole.lastIndexOf(mark);
    if (at < 0) {
      throw new TemplateError(
        this.name,
        "expected the chat template to write the assistant's answer, found that it drops it: zero trained tokens",
        "Check how the template treats the role assistant.",
      );
    }
    const beforeAnswer = whole.slice(0, at);
    // what the template itself writes between the assistant's header and the answer (an empty thought) has to be learnt with it
    const lead = beforeAnswer.startsWith(prompt) ? beforeAnswer.slice(prompt.length) : "";
    const after = whole.slice(at + mark.length);
    const contents = this.#contentsAsWritten(messages, guard, slot, whole);
    return {
      guard,
      segments: [
        ...this.#cutAtAnswers(prompt, messages.slice(0, last), contents, slot),
        { text: lead + (contents[last] ?? this.#protect(answer.content, guard)), trained: true },
        { text: after.trim() === "" ? "" : after, trained: false, endsAnswer: true },
      ],
    };
  }

  renderPrompt(row: TemplateRow): Rendered {
    const { messages, guard } = this.#prepare(row, false);
    return { guard, segments: [{ text: this.#run(protectAll(messages, this.#protect, guard), true), trained: false }] };
  }

  /**
   * The conversation of a row. For training it ends in its last answer; for asking, an answer that the row already holds is left off.
   */
  #prepare(row: TemplateRow, training: boolean): { messages: Message[]; guard: string; slot: string } {
    const [guard, slot] = privateCharacters([row], 2, this.name) as [string, string];
    let messages = conversationOf(row, this.name);
    if (row.system !== undefined && row.system !== "" && messages[0]?.role !== "system") {
      messages = [{ role: "system", content: row.system }, ...messages];
    }
    if (training) {
      const last = messages.findLastIndex((message) => message.role === "assistant");
      if (last < 0) {
        throw new TemplateError(
          this.name,
          "expected an assistant message to train on, found only " +
            (messages.map((message) => message.role).join(", ") || "an empty list"),
          "Add the answer as the last message, or drop the row.",
        );
      }
      messages = messages.slice(0, last + 1);
    } else if (messages.at(-1)?.role === "assistant") messages = messages.slice(0, -1);
    if (messages.length === 0)
      throw new TemplateError(this.name, "expected at least one message, found none", "Give the row an instruction.");
    return { messages, guard, slot };
  }

  #run(messages: readonly Message[], addGenerationPrompt: boolean): string {
    return renderJinja(this.name, this.#jinja, { ...this.#names, messages, add_generation_prompt: addGenerationPrompt, tools: null });
  }

  /** Rendered with every answer replaced by its stand-in. */
  #withSlots(messages: readonly Message[], guard: string, slot: string, addGenerationPrompt: boolean): string {
    const prepared = messages.map((message, turn) => ({
      role: protectRole(message.role, this.#protect, guard),
      content: message.role === "assistant" ? slotText(slot, turn) : this.#protect(message.content, guard),
    }));
    return this.#run(prepared, addGenerationPrompt);
  }

  /**
   * What the template writes for each answer. Usually the answer itself; some templates trim it. The text between the stand-ins is known, so
   * the real rendering is cut at it.
   */
  #contentsAsWritten(messages: readonly Message[], guard: string, slot: string, whole: string): (string | undefined)[] {
    const real = this.#run(protectAll(messages, this.#protect, guard), false);
    const contents: (string | undefined)[] = messages.map((message) =>
      message.role === "assistant" ? this.#protect(message.content, guard) : undefined,
    );
    const fill = (texts: readonly (string | undefined)[]) =>
      whole.replace(slotPattern(slot), (_, turn: string) => texts[Number(turn)] ?? "");
    if (fill(contents) === real) return contents;
    const trimmed = contents.map((content) => content?.trim());
    if (fill(trimmed) === real) return trimmed;
    return cutAtLiterals(whole, real, slot, messages.length) ?? contents;
  }

  /** The prompt as segments: earlier answers trained, and the text after each up to its end-of-text. */
  #cutAtAnswers(prompt: string, messages: readonly Message[], contents: readonly (string | undefined)[], slot: string): Segment[] {
    const segments: Segment[] = [];
    let end = 0;
    for (const match of prompt.matchAll(slotPattern(slot))) {
      const turn = Number(match[1]);
      segments.push({ text: prompt.slice(end, match.index), trained: false, ...(end > 0 ? { endsAnswer: true } : {}) });
      if (messages[turn]?.role === "assistant") segments.push({ text: contents[turn] ?? "", trained: true });
      end = match.index + match[0].length;
    }
    segments.push({ text: prompt.slice(end), trained: false, ...(end > 0 ? { endsAnswer: true } : {}) });
    return segments;
  }
}

const slotPattern = (slot: string): RegExp => new RegExp(`${slot}(\\d+)${slot}`, "gu");

type Protect = (text: string, guard: string) => string;

/** Templates compare roles with plain names; anything else a row may put there is a user's words. */
const protectRole = (role: string, protect: Protect, guard: string): string => (/^[a-z_]+$/.test(role) ? role : protect(role, guard));

const protectAll = (messages: readonly Message[], protect: Protect, guard: string): Message[] =>
  messages.map(({ role, content }) => ({ role: protectRole(role, protect, guard), content: protect(content, guard) }));

/** Reads each answer off the real rendering by the literal text around its stand-in; undefined when they do not line up. */
function cutAtLiterals(whole: string, real: string, slot: string, count: number): (string | undefined)[] | undefined {
  const contents: (string | undefined)[] = new Array(count).fill(undefined);
  const parts = whole.split(slotPattern(slot)); // literal, turn, literal, turn, …, literal
  if (!real.startsWith(parts[0]!)) return undefined;
  let position = parts[0]!.length;
  for (let i = 1; i + 1 < parts.length; i += 2) {
    const literal = parts[i + 1]!;
    const next = i + 2 >= parts.length ? real.length - literal.length : real.indexOf(literal, position);
    if (next < position || !real.startsWith(literal, next)) return undefined;
    contents[Number(parts[i])] = real.slice(position, next);
    position = next + literal.length;
  }
  return position === real.length ? contents : undefined;
}

/** A row's messages, or the conversation that its instruction, input and output make. */
function conversationOf(row: TemplateRow, template: string): Message[] {
  if (row.messages !== undefined) return [...row.messages];
  const parts = [row.context, row.instruction ?? row.text, row.input].filter((part): part is string => part !== undefined && part !== "");
  if (parts.length === 0) {
    throw new TemplateError(template, "expected messages or an instruction, found neither", "Map a column to messages or to instruction.");
  }
  const messages: Message[] = [{ role: "user", content: parts.join("\n\n") }];
  if (row.output !== undefined) messages.push({ role: "assistant", content: row.output });
  return messages;
}
