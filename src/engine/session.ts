/**
 * A loaded model that answers, inside the worker: base or base + adapter, its template, and the scheduler over the paged cache.
 * Requests become token ids here; answers become text here; in between there are only ids.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Backend } from "../backend/backend.ts";
import type { AskAnswer, AskRequest, SessionStats, TokenLogprob } from "../config/reports.ts";
import type { SessionConfig } from "../config/schemas/generate.ts";
import { EmptyPromptError } from "../errors/empty-prompt-error.ts";
import { RequestError } from "../errors/request-error.ts";
import { TEMPLATE_KEY } from "../export/gguf-companions.ts";
import { type GenerationRequest, Generator } from "../generation/generator.ts";
import { pagesOf } from "../generation/paged-cache.ts";
import type { SamplingSettings } from "../generation/sampling.ts";
import { attachAdapter } from "../models/attach-adapter.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { loadModel } from "../models/load-model.ts";
import { Arena } from "../tensor/arena.ts";
import { StreamDecoder } from "../text/stream-decoder.ts";
import { encodePrompt } from "../text/templates/encode-rendered.ts";
import { loadTemplate } from "../text/templates/load-template.ts";
import type { Template, TemplateRow } from "../text/templates/template.ts";
import { REMORA_NOTES_FILE } from "../training/adapter-weights.ts";
import type { ModelFiles } from "./model-files.ts";
import { storedFormat } from "./model-files.ts";

/** Answers at once; more requests wait. */
const SLOTS = 8;
const DEFAULT_CONTEXT = 8192;
/** With fixed slots: tokens of cache for each, unless `cacheTokens` says. A whole context for each would be gigabytes that few answers use. */
const TOKENS_PER_SLOT = 1024;

/** An answer's text as it becomes certain, with the tokens behind it where they were asked for. */
export type OnText = (text: string, index: number, tokens?: TokenLogprob[]) => void;

/** The cancel flag that the backend reads. */
export interface Interruption {
  readonly isCancelled: () => boolean;
  /** The flag was noticed: ops may run again. */
  readonly goOn: () => void;
}

export class AskSession {
  readonly #files: ModelFiles;
  readonly #config: SessionConfig;
  readonly #model: CausalLM;
  readonly #template: Template;
  readonly #chat: Template | undefined;
  readonly #contextLength: number;
  readonly #interruption: Interruption;
  #generator: Generator | undefined;
  /** Calls that replace the generator wait for each other. */
  #replacing: Promise<unknown> = Promise.resolve();
  #closing = false;

  static async open(files: ModelFiles, backend: Backend, config: SessionConfig, interruption: Interruption): Promise<AskSession> {
    const compute = config.compute === "auto" ? (backend.device.activationDTypes[0] ?? "f32") : config.compute;
    const quantized = !["f32", "bf16", "f16"].includes(storedFormat(files));
    const base = config.base !== "auto" ? config.base : quantized ? "file" : compute === "f32" ? "f32" : "bf16";
    const model = await loadModel(new Arena(backend), files.source, { base, compute, isCancelled: interruption.isCancelled });
    if (config.adapter) attachAdapter(model, config.adapter, { trainable: false });
    return new AskSession(files, config, model, interruption);
  }

  private constructor(files: ModelFiles, config: SessionConfig, model: CausalLM, interruption: Interruption) {
    const { tokenizer } = files;
    this.#files = files;
    this.#config = config;
    this.#model = model;
    this.#interruption = interruption;
    const learnt = config.adapter ? readNotes(config.adapter) : (readNotes(files.path) ?? ggufNotes(files));
    const fallback = tokenizer.chatTemplate === undefined ? "raw" : "chat";
    this.#template = loadTemplate(config.template ?? learnt ?? fallback, tokenizer);
    this.#chat = tokenizer.chatTemplate === undefined ? undefined : loadTemplate("chat", tokenizer);
    this.#contextLength = config.contextLength ?? Math.min(files.shape.maxPositions, DEFAULT_CONTEXT);
  }

  get device(): string {
    return this.#model.backend.device.name;
  }

  get templateName(): string {
    return this.#template.name;
  }

  /**
   * @param onText receives an answer's text as it becomes certain
   * @throws EmptyPromptError; RequestError when a prompt leaves no room for an answer; TemplateError
   */
  async generate(requests: readonly AskRequest[], onText: OnText, isCancelled: () => boolean, now: () => number): Promise<AskAnswer[]> {
    const { tokenizer } = this.#files;
    const answers = requests.map((request, index) => this.#begin(request, index, onText, now));
    const generations = answers.map(({ generation }) => generation);
    const generator = await this.#generatorFor(generations);
    const results = await generator.generate(generations, () => this.#closing || isCancelled());
    return results.map((result, index) => {
      const answer = answers[index]!;
      answer.end();
      return {
        text: answer.text(),
        finishReason: result.finishReason,
        promptTokens: answer.generation.ids.length,
        tokens: result.ids.filter((id) => !tokenizer.isSpecial(id)).length,
        seconds: (answer.endedAt() - answer.startedAt) / 1000,
        firstTokenSeconds: answer.firstTokenSeconds(),
        cachedTokens: result.cachedTokens,
        logprobs: answer.logprobs,
      };
    });
  }

  stats(): SessionStats {
    const { arena } = this.#model;
    const generator = this.#generator;
    return {
      running: generator?.runningCount ?? 0,
      waiting: generator?.waitingCount ?? 0,
      slots: generator?.slots ?? 0,
      pages: generator?.pages ?? 0,
      freePages: generator?.freePages ?? 0,
      usedBytes: arena.usedBytes,
      reservedBytes: arena.reservedBytes,
    };
  }

  /** Running answers end as cancelled first. */
  async dispose(): Promise<void> {
    this.#closing = true;
    await this.#replacing;
    await this.#generator?.idle();
    this.#generator?.release();
    this.#model.dispose();
    this.#model.backend.dispose();
  }

  #begin(request: AskRequest, index: number, onText: OnText, now: () => number) {
    const { tokenizer } = this.#files;
    const settings = request.settings ?? {};
    const ids = this.#encode(request);
    if (ids.length === 0) throw new EmptyPromptError(index);
    if (ids.length >= this.#contextLength) throw new RequestError(index, ids.length, this.#contextLength);
    const startedAt = now();
    const decoder = new StreamDecoder(tokenizer, { stop: settings.stop ?? [this.#config.stop ?? []].flat() });
    const logprobs: TokenLogprob[] | undefined = settings.logprobs ? [] : undefined;
    let text = "";
    let firstAt: number | undefined;
    let endedAt = startedAt;
    let sent = 0;
    const add = (piece: string) => {
      if (piece === "") return;
      text += piece;
      onText(piece, index, logprobs?.slice(sent));
      sent = logprobs?.length ?? 0;
    };
    const generation: GenerationRequest = {
      ids,
      settings: this.#sampling(request, index),
      maxTokens: settings.maxTokens ?? this.#config.maxTokens,
      endIds: new Set(tokenizer.eos),
      onToken({ id, logprob }) {
        endedAt = now();
        firstAt ??= endedAt;
        if (logprobs && !tokenizer.isSpecial(id)) {
          const bytes = tokenizer.bytesOf(id);
          logprobs.push({ token: new TextDecoder().decode(bytes), logprob, bytes: [...bytes] });
        }
        add(decoder.push(id));
        return decoder.stoppedBy === undefined ? undefined : "stop";
      },
    };
    const firstTokenSeconds = () => (firstAt === undefined ? undefined : (firstAt - startedAt) / 1000);
    const end = () => add(decoder.end());
    return { generation, end, startedAt, logprobs, firstTokenSeconds, text: () => text, endedAt: () => endedAt };
  }

  #encode(request: AskRequest): number[] {
    const { tokenizer } = this.#files;
    if ("prompt" in request) return encodePrompt(tokenizer, loadTemplate("raw", tokenizer), { text: request.prompt });
    if ("row" in request) return encodePrompt(tokenizer, this.#template, request.row as TemplateRow);
    const { messages } = request;
    if (this.#template.kind === "chat") return encodePrompt(tokenizer, this.#template, { messages });
    if (this.#chat && !this.#config.adapter && !this.#config.template) return encodePrompt(tokenizer, this.#chat, { messages });
    // The model learnt a template of single questions: what was said before has no place in it.
    const last = messages.at(-1)!.content;
    const system = messages.find(({ role }) => role === "system")?.content;
    return encodePrompt(tokenizer, this.#template, { instruction: last, input: "", text: last, system });
  }

  /** Each answer of a batch has its own stream of random numbers, unless it brings a seed. */
  #sampling({ settings = {} }: AskRequest, index: number): SamplingSettings {
    const { greedy, temperature, topK, topP, minP, repetitionPenalty, seed } = this.#config;
    return {
      temperature: settings.temperature ?? (greedy ? 0 : temperature),
      topK: settings.topK ?? topK,
      topP: settings.topP ?? topP,
      minP: settings.minP ?? minP,
      repetitionPenalty: settings.repetitionPenalty ?? repetitionPenalty,
      seed: settings.seed ?? seed + index,
    };
  }

  #generatorFor(requests: readonly GenerationRequest[]): Promise<Generator> {
    const chosen = this.#replacing.then(() => this.#chooseGenerator(requests));
    this.#replacing = chosen.catch(() => {});
    return chosen;
  }

  /** One slot for a conversation; more when many are asked at once. The cache of a conversation is kept between calls. */
  async #chooseGenerator(requests: readonly GenerationRequest[]): Promise<Generator> {
    const old = this.#generator;
    const fixed = this.#config.slots;
    if (fixed !== undefined) {
      const context = this.#contextLength;
      const tokens = this.#config.cacheTokens ?? Math.max(context, fixed * Math.min(context, TOKENS_PER_SLOT));
      // A whole context always fits, so that no request waits for ever.
      return old ?? this.#makeGenerator(fixed, Math.min(Math.max(pagesOf(tokens), pagesOf(context)), fixed * pagesOf(context)));
    }
    const slots = Math.min(SLOTS, requests.length);
    const longest = (request: GenerationRequest) => Math.min(request.ids.length + request.maxTokens, this.#contextLength);
    // Pages for the longest answers that can run together: a large model's whole context would be gigabytes that nobody asked for.
    const needed = requests
      .map((request) => pagesOf(longest(request)))
      .sort((a, b) => b - a)
      .slice(0, slots)
      .reduce((sum, pages) => sum + pages, 0);
    if (old && old.slots >= slots && old.pages >= needed) return old;
    await old?.idle();
    old?.release();
    // A conversation grows with every turn: room for the next ones, so that its cache is seldom lost.
    const pages = Math.min(old ? Math.max(needed, 2 * old.pages) : needed, Math.max(slots, old?.slots ?? 0) * pagesOf(this.#contextLength));
    return this.#makeGenerator(Math.max(slots, old?.slots ?? 0), pages);
  }

  #makeGenerator(slots: number, pages: number): Generator {
    const onInterrupted = () => {
      this.#interruption.goOn();
      return true;
    };
    this.#generator = new Generator(this.#model, { slots, positions: this.#contextLength, pages, onInterrupted });
    return this.#generator;
  }
}

/** The template that a GGUF file was saved with. */
function ggufNotes({ source: { tokenizerSource } }: ModelFiles): string | undefined {
  const template = tokenizerSource.kind === "gguf" ? tokenizerSource.metadata.get(TEMPLATE_KEY) : undefined;
  return typeof template === "string" ? template : undefined;
}

/** The template that a run left beside what it trained. */
function readNotes(folder: string): string | undefined {
  const path = join(folder, REMORA_NOTES_FILE);
  if (!existsSync(path)) return undefined;
  const notes = JSON.parse(readFileSync(path, "utf8")) as { template?: unknown };
  return typeof notes.template === "string" ? notes.template : undefined;
}
