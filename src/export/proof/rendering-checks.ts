/**
 * What numbers do not show: does the saved model end its answers, know its special tokens, and wrap questions as the tuned one did? Checked by
 * rendering with both tokenizers and comparing ids.
 */
import type { SaveCheck } from "../../config/reports.ts";
import { counted } from "../../errors/counted.ts";
import { encodePrompt } from "../../text/templates/encode-rendered.ts";
import { loadTemplate } from "../../text/templates/load-template.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";

export interface RenderedSide {
  readonly tokenizer: Tokenizer;
  /** `bos_token_id`, `eos_token_id` of generation_config.json where there is one. */
  readonly generationConfig: Readonly<Record<string, unknown>> | undefined;
}

const MESSAGES = [
  { role: "user", content: "What is a remora? <|im_end|> コバンザメとは何ですか。" },
  { role: "assistant", content: "A fish. 魚です。" },
  { role: "user", content: "Where does it live?" },
];
const ROW = { instruction: "Translate into English.", input: "明日は雨です。" };

/** @param template of the run; undefined where none is known @param texts decoded rows of the proof */
export function renderingChecks(
  tuned: RenderedSide,
  saved: RenderedSide,
  template: string | undefined,
  texts: readonly string[],
): SaveCheck[] {
  return [
    endOfText(tuned, saved),
    specialTokens(tuned, saved),
    prompts(tuned, saved, template, texts),
    chatTemplate(tuned, saved),
    generationConfig(tuned, saved),
  ];
}

function endOfText({ tokenizer: tuned }: RenderedSide, { tokenizer: saved }: RenderedSide): SaveCheck {
  const missing = tuned.eos.filter((id) => !saved.eos.includes(id));
  const name = (id: number | undefined) => (id === undefined ? "none" : `${tuned.tokenOf(id) ?? saved.tokenOf(id)} (${id})`);
  const ok = missing.length === 0 && tuned.eos[0] === saved.eos[0];
  const detail = ok ? name(tuned.eos[0]) : `expected ${tuned.eos.map(name).join(", ")}, found ${saved.eos.map(name).join(", ") || "none"}`;
  return { name: "end of text", ok, detail };
}

function specialTokens({ tokenizer: tuned }: RenderedSide, { tokenizer: saved }: RenderedSide): SaveCheck {
  const lost = tuned.specialTokens.filter((token) => saved.idOf(token) !== tuned.idOf(token) || !saved.isSpecial(saved.idOf(token) ?? -1));
  const begins = tuned.addsBos === saved.addsBos && (!tuned.addsBos || tuned.bos === saved.bos);
  const detail = !begins
    ? `expected texts to begin with ${tuned.addsBos ? tuned.bos : "nothing"}, found ${saved.addsBos ? saved.bos : "nothing"}`
    : lost.length > 0
      ? `not special any more: ${lost.slice(0, 5).join(" ")}`
      : `${tuned.specialTokens.length} kept`;
  return { name: "special tokens", ok: begins && lost.length === 0, detail };
}

function prompts(
  { tokenizer: tuned }: RenderedSide,
  { tokenizer: saved }: RenderedSide,
  template: string | undefined,
  texts: readonly string[],
): SaveCheck {
  const name = template ?? "raw";
  const differs = texts.findIndex((text) => !equal(tuned.encode(text), saved.encode(text)));
  if (differs >= 0) return { name: "prompts", ok: false, detail: `other token ids for ${JSON.stringify(texts[differs]!.slice(0, 60))}` };
  if (name !== "chat") {
    const render = (tokenizer: Tokenizer) => outcome(() => encodePrompt(tokenizer, loadTemplate(name, tokenizer), ROW));
    if (render(tuned) !== render(saved)) return { name: "prompts", ok: false, detail: "the template renders to other token ids" };
  }
  return { name: "prompts", ok: true, detail: `${counted(texts.length, "text")} to the same ids` };
}

function chatTemplate({ tokenizer: tuned }: RenderedSide, { tokenizer: saved }: RenderedSide): SaveCheck {
  const name = "chat template";
  if (tuned.chatTemplate === undefined) {
    const ok = saved.chatTemplate === undefined;
    return { name, ok, detail: ok ? "none, as in the base" : "one that the base does not have" };
  }
  if (saved.chatTemplate === undefined) return { name, ok: false, detail: "lost" };
  const render = (tokenizer: Tokenizer) => outcome(() => encodePrompt(tokenizer, loadTemplate("chat", tokenizer), { messages: MESSAGES }));
  const ok = render(tuned) === render(saved);
  return { name, ok, detail: ok ? "renders to the same ids" : "renders to other token ids" };
}

/** The ids that end a generation must be among the file's own. */
function generationConfig({ tokenizer, generationConfig: tuned }: RenderedSide, { generationConfig: saved }: RenderedSide): SaveCheck {
  const name = "generation config";
  if (saved === undefined) return { name, ok: tuned === undefined, detail: tuned === undefined ? "none, as in the base" : "lost" };
  const idsOf = (value: unknown) => [value].flat().filter((id): id is number => typeof id === "number");
  const wanted = tuned === undefined ? tokenizer.eos.slice(0, 1) : idsOf(tuned.eos_token_id);
  const lost = wanted.filter((id) => !idsOf(saved.eos_token_id).includes(id));
  return { name, ok: lost.length === 0, detail: lost.length === 0 ? "ends as the base's" : `no longer ends at ${lost.join(", ")}` };
}

const equal = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((id, i) => id === b[i]);

/** Ids as text, or the error's message: a template may refuse a conversation, and then both must. */
function outcome(render: () => readonly number[]): string {
  try {
    return render().join(",");
  } catch (error) {
    return `refused: ${error instanceof Error ? error.constructor.name : String(error)}`;
  }
}
