/** Opens what makes vectors: an encoder in a worker of its own, or a remote endpoint. */
import { parseConfig } from "../config/parse.ts";
import { type AskConfig, type EmbedderConfigInput, embedderSchema } from "../config/schemas/retrieval.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import type { Embedder } from "../retrieval/embedder.ts";
import { RemoteEmbedder } from "../retrieval/remote-embedder.ts";
import type { IndexSettings } from "../retrieval/store/document-index.ts";
import { EngineClient } from "./client.ts";
import type { OpenedEmbedder } from "./embedder-job.ts";

/** Texts that cross to the worker at once: a cancel is honoured within a pack, progress is seen between calls. */
const CALL_TEXTS = 256;

/** @throws RemoraError of every kind: no such model, not an encoder, an endpoint that does not answer */
export async function openEmbedder(input: EmbedderConfigInput): Promise<Embedder> {
  const config = parseConfig(embedderSchema, input, "Opening an encoder");
  if (config.url !== undefined) {
    const { url, model, queryPrefix = "", passagePrefix = "" } = config;
    return RemoteEmbedder.open({ url, model, prefixes: { query: queryPrefix, passage: passagePrefix, text: "" }, env: process.env, fetch });
  }
  const client = new EngineClient();
  let opened: OpenedEmbedder;
  try {
    opened = await client.call<OpenedEmbedder>("embedder-open", config);
  } catch (error) {
    await client.close();
    throw error;
  }
  const { session, dimensions, maxTokens } = opened;
  return {
    name: config.model,
    dimensions,
    maxTokens,
    async embed(texts, { role = "text", signal } = {}) {
      const vectors: Float32Array[] = [];
      for (let first = 0; first < texts.length; first += CALL_TEXTS) {
        if (signal?.aborted) throw new CancelledError("Making vectors");
        const input = { session, texts: texts.slice(first, first + CALL_TEXTS), role };
        const answer = await client.call<{ vectors: Float32Array }>("embedder-embed", input, { signal });
        for (let start = 0; start < answer.vectors.length; start += dimensions)
          vectors.push(answer.vectors.slice(start, start + dimensions));
      }
      return vectors;
    },
    countTokens: (texts) => client.call<number[]>("embedder-count", { session, texts: [...texts] }),
    async close() {
      await client.call("embedder-close", { session });
      await client.close();
    },
  };
}

/** What of a config says how vectors are made. */
export type EmbeddingConfig = Pick<
  AskConfig,
  "embedder" | "embedderUrl" | "embedderPooling" | "queryPrefix" | "passagePrefix" | "device" | "threads" | "offline"
>;

/** The embedder that is named, else the one that the index was made with. `none` is none. */
export function embedderConfig(config: EmbeddingConfig, settings: IndexSettings | undefined): EmbedderConfigInput | undefined {
  const before = settings?.embedder;
  const model = config.embedder ?? before?.model;
  if (model === undefined || model === "none") return undefined;
  const { device, threads, offline } = config;
  return {
    model,
    url: config.embedderUrl ?? (config.embedder === undefined ? before?.url : undefined),
    pooling: config.embedderPooling === "auto" ? before?.pooling : config.embedderPooling,
    queryPrefix: config.queryPrefix ?? before?.queryPrefix,
    passagePrefix: config.passagePrefix ?? before?.passagePrefix,
    device,
    threads,
    offline,
  };
}
