/** Models behind an address, through the `ai` package: retried with growing pauses, each try within a time limit. */
import type { LanguageModel } from "ai";
import type { AskAnswer, AskRequest } from "../config/reports.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { ConfigError } from "../errors/config-error.ts";
import { ModelCallError } from "../errors/model-call-error.ts";
import type { ModelName, RemoteProvider } from "./model-name.ts";
import type { AskOptions, NamedModel } from "./named-model.ts";

export interface RemoteOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly maxRetries: number;
  readonly timeoutMs: number;
  readonly concurrency: number;
}

/** Each provider's key. A server of one's own may need none, and never gets another provider's. */
const KEYS: Readonly<Record<RemoteProvider, string>> = {
  "openai-compatible": "OPENAI_COMPATIBLE_API_KEY",
  openai: "OPENAI_API_KEY",
  mistral: "MISTRAL_API_KEY",
  cohere: "COHERE_API_KEY",
};

/** @throws ConfigError when the provider's key is not in the environment */
export async function openRemoteModel(name: string, parsed: ModelName & { kind: "remote" }, options: RemoteOptions): Promise<NamedModel> {
  const keyName = KEYS[parsed.provider];
  const apiKey = options.env[keyName] || undefined;
  if (apiKey === undefined && parsed.provider !== "openai-compatible") {
    throw new ConfigError(`Opening ${name}`, [{ path: keyName, problem: "expected the key in the environment, found nothing" }]);
  }
  const model = await makeModel(parsed, apiKey);
  return {
    name,
    fingerprint: JSON.stringify([parsed.provider, parsed.baseURL ?? "", parsed.model]),
    concurrency: options.concurrency,
    template: async () => "chat",
    ask: (request, asked = {}) => ask(name, model, request, asked, options, apiKey),
    close: async () => {},
  };
}

async function makeModel({ provider, model, baseURL }: ModelName & { kind: "remote" }, apiKey: string | undefined): Promise<LanguageModel> {
  if (provider === "mistral") return (await import("@ai-sdk/mistral")).createMistral({ apiKey })(model);
  if (provider === "cohere") return (await import("@ai-sdk/cohere")).createCohere({ apiKey })(model);
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
  return createOpenAICompatible({ name: provider, baseURL: baseURL ?? "https://api.openai.com/v1", apiKey, includeUsage: true })(model);
}

async function ask(
  name: string,
  model: LanguageModel,
  request: AskRequest,
  { onText, signal }: AskOptions,
  options: RemoteOptions,
  apiKey: string | undefined,
): Promise<AskAnswer> {
  const { streamText } = await import("ai");
  const { settings = {} } = request;
  const start = performance.now();
  let text = "";
  let firstAt: number | undefined;
  let failure: unknown;
  try {
    const timeout = AbortSignal.timeout(options.timeoutMs);
    const result = streamText({
      model,
      messages: messagesOf(request),
      allowSystemInMessages: true,
      maxOutputTokens: settings.maxTokens,
      temperature: settings.temperature,
      topP: settings.topP,
      topK: settings.topK,
      seed: settings.seed,
      stopSequences: settings.stop && [...settings.stop],
      maxRetries: options.maxRetries,
      abortSignal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      onError: ({ error }) => {
        failure ??= error;
      },
    });
    for await (const piece of result.textStream) {
      firstAt ??= performance.now();
      text += piece;
      onText?.(piece);
    }
    if (failure !== undefined) throw failure;
    timeout.throwIfAborted();
    signal?.throwIfAborted();
    const [usage, reason] = [await result.usage, await result.finishReason];
    // A page of HTML, or JSON of another kind: nothing in it was an answer, and nothing said that one ended.
    if (text === "" && (reason === "other" || reason === "error" || (reason as string) === "unknown")) throw new Error(NO_ANSWER);
    return {
      text,
      finishReason: reason === "length" ? "length" : "end",
      promptTokens: usage.inputTokens ?? 0,
      tokens: usage.outputTokens ?? 0,
      seconds: (performance.now() - start) / 1000,
      firstTokenSeconds: firstAt === undefined ? undefined : (firstAt - start) / 1000,
    };
  } catch (error) {
    if (signal?.aborted) throw new CancelledError(`Asking ${name}`);
    throw new ModelCallError(name, reasonOf(failure ?? error, options.timeoutMs, apiKey));
  }
}

const NO_ANSWER = "expected an answer in OpenAI's words, found none in what came back";

/** Without the key, should a provider repeat it. The cause is left out for the same reason: it holds the request's headers. */
function reasonOf(error: unknown, timeoutMs: number, apiKey: string | undefined): string {
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  if (name === "TimeoutError" || name === "AbortError") return `no answer within ${timeoutMs / 1000} s`;
  return apiKey ? message.replaceAll(apiKey, "…") : message;
}

/** A row as a person would write it to a model: what to do, what to know, what it is about. */
function messagesOf(request: AskRequest): { role: "system" | "user" | "assistant"; content: string }[] {
  if ("messages" in request) return request.messages;
  if ("prompt" in request) return [{ role: "user", content: request.prompt }];
  const { system, instruction, context, input, text } = request.row;
  const parts = [instruction, context, input, text].filter((part): part is string => typeof part === "string" && part !== "");
  const user = { role: "user" as const, content: parts.join("\n\n") };
  return typeof system === "string" && system !== "" ? [{ role: "system", content: system }, user] : [user];
}
