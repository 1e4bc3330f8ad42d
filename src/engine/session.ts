/**
 * A loaded model that answers, inside the worker: base or base + adapter, its template, and the scheduler over the paged cache.
 * Requests become token ids here; answers become text here; in between there are only ids.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Backend } from "../backend/backend.ts";
import type { AskAnswer, AskRequest } from "../config/reports.ts";
import type { SessionConfig } from "../config/schemas/generate.ts";
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

export class AskSession {
  readonly #files: ModelFiles;
  readonly #config: SessionConfig;
  readonly #model: CausalLM;
  readonly #template: Template;
  readonly #chat: Template | undefined;
  readonly #contextLength: number;
  #generator: Generator | undefined;

  static async open(files: ModelFiles, backend: Backend, config: SessionConfig, isCancelled: () => boolean): Promise<AskSession> {
    const compute = config.compute === "auto" ? (backend.device.activationDTypes[0] ?? "f32") : config.compute;
    const quantized = !["f32", "bf16", "f16"].includes(storedFormat(files));
    const base = config.base !== "auto" ? config.base : quantized ? "file" : compute === "f32" ? "f32" : "bf16";
    const model = await loadModel(new Arena(backend), files.source, { base, compute, isCancelled });
    if (config.adapter) attachAdapter(model, config.adapter, { trainable: false });
    return new AskSession(files, config, model);
  }

  private constructor(files: ModelFiles, config: SessionConfig, model: CausalLM) {
    const { tokenizer } = files;
    this.#files = files;
    this.#config = config;
    this.#model = model;
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
   * @throws RequestError when a prompt leaves no room for an answer; TemplateError
   */
  async generate(
    requests: readonly AskRequest[],
    onText: (text: string, index: number) => void,
    isCancelled: () => boolean,
    now: () => number,
  ): Promise<AskAnswer[]> {
    const { tokenizer } = this.#files;
    const answers = requests.map((request, index) => this.#begin(request, index, onText, now));
    const results = await this.#generatorFor(answers.map(({ generation }) => generation)).generate(
      answers.map(({ generation }) => generation),
      isCancelled,
    );
    return results.map((result, index) => {
      const answer = answers[index]!;
      answer.add(answer.decoder.end());
      return {
        text: answer.text(),
        finishReason: result.finishReason,
        promptTokens: answer.generation.ids.length,
        tokens: result.ids.filter((id) => !tokenizer.isSpecial(id)).length,
        seconds: (answer.endedAt() - answer.startedAt) / 1000,
      };
    });
  }

  /** Drops the cache and the scheduler: after a step that did not finish. */
  forget(): void {
    this.#generator?.release();
    this.#generator = undefined;
  }

  dispose(): void {
    this.#generator?.release();
    this.#model.dispose();
    this.#model.backend.dispose();
  }

  #begin(request: AskRequest, index: number, onText: (text: string, index: number) => void, now: () => number) {
    const { tokenizer } = this.#files;
    const ids = this.#encode(request);
    if (ids.length >= this.#contextLength) throw new RequestError(index, ids.length, this.#contextLength);
    const startedAt = now();
    const stop = this.#config.stop === undefined ? [] : [this.#config.stop].flat();
    const decoder = new StreamDecoder(tokenizer, { stop });
    let text = "";
    let endedAt = startedAt;
    const add = (piece: string) => {
      if (piece === "") return;
      text += piece;
      onText(piece, index);
    };
    const generation: GenerationRequest = {
      ids,
      settings: this.#sampling(index),
      maxTokens: this.#config.maxTokens,
      endIds: new Set(tokenizer.eos),
      onToken({ id }) {
        add(decoder.push(id));
        endedAt = now();
        return decoder.stoppedBy === undefined ? undefined : "stop";
      },
    };
    return { generation, decoder, add, startedAt, text: () => text, endedAt: () => endedAt };
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

  /** Each answer of a batch has its own stream of random numbers. */
  #sampling(index: number): SamplingSettings {
    const { greedy, temperature, topK, topP, minP, repetitionPenalty, seed } = this.#config;
    return { temperature: greedy ? 0 : temperature, topK, topP, minP, repetitionPenalty, seed: seed + index };
  }

  /** One slot for a conversation; more when many are asked at once. The cache of a conversation is kept between calls. */
  #generatorFor(requests: readonly GenerationRequest[]): Generator {
    const slots = Math.min(SLOTS, requests.length);
    const longest = (request: GenerationRequest) => Math.min(request.ids.length + request.maxTokens, this.#contextLength);
    // Pages for the longest answers that can run together: a large model's whole context would be gigabytes that nobody asked for.
    const needed = requests
      .map((request) => pagesOf(longest(request)))
      .sort((a, b) => b - a)
      .slice(0, slots)
      .reduce((sum, pages) => sum + pages, 0);
    const old = this.#generator;
    if (old && old.slots >= slots && old.pages >= needed) return old;
    old?.release();
    // A conversation grows with every turn: room for the next ones, so that its cache is seldom lost.
    const pages = Math.min(old ? Math.max(needed, 2 * old.pages) : needed, Math.max(slots, old?.slots ?? 0) * pagesOf(this.#contextLength));
    this.#generator = new Generator(this.#model, { slots: Math.max(slots, old?.slots ?? 0), positions: this.#contextLength, pages });
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
