/** Vectors from an OpenAI-compatible endpoint: POST /embeddings { model, input } → { data: [{ index, embedding }] }. */
import { EndpointError } from "../errors/endpoint-error.ts";
import { isObject } from "../formats/untrusted-json.ts";
import { callEndpoint, type Endpoint } from "./call-endpoint.ts";
import type { Embedder, EmbedOptions, TextRole } from "./embedder.ts";

const DOING = "Asking for vectors";
/** Texts of one call: what every known endpoint takes. */
const CALL_TEXTS = 64;
const KEY_NAME = "REMORA_EMBEDDER_KEY";

export interface RemoteEmbedderOptions {
  /** Up to `/v1`. */
  readonly url: string;
  readonly model: string;
  readonly prefixes: Readonly<Record<TextRole, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fetch: typeof fetch;
}

export class RemoteEmbedder implements Embedder {
  readonly name: string;
  readonly dimensions: number;
  readonly #options: RemoteEmbedderOptions;

  /** Embeds one word first: a wrong key or address is found before any document is read, and the length of vectors with it. */
  static async open(options: RemoteEmbedderOptions): Promise<RemoteEmbedder> {
    const [probe] = await request(options, ["remora"]);
    return new RemoteEmbedder(options, probe!.length);
  }

  private constructor(options: RemoteEmbedderOptions, dimensions: number) {
    this.#options = options;
    this.name = options.model;
    this.dimensions = dimensions;
  }

  async embed(texts: readonly string[], { role = "text", signal }: EmbedOptions = {}): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    const prefix = this.#options.prefixes[role];
    for (let first = 0; first < texts.length; first += CALL_TEXTS) {
      const batch = texts.slice(first, first + CALL_TEXTS).map((text) => prefix + text);
      for (const vector of await request(this.#options, batch, signal)) {
        if (vector.length !== this.dimensions) throw wrong(this.#options, `${this.dimensions} numbers a vector`, `${vector.length}`);
        vectors.push(vector);
      }
    }
    return vectors;
  }

  async close(): Promise<void> {}
}

async function request(options: RemoteEmbedderOptions, input: readonly string[], signal?: AbortSignal): Promise<Float32Array[]> {
  const endpoint: Endpoint = {
    url: `${options.url.replace(/\/+$/, "")}/embeddings`,
    doing: DOING,
    key: options.env[KEY_NAME] ?? (new URL(options.url).hostname === "api.openai.com" ? options.env.OPENAI_API_KEY : undefined),
    keyName: KEY_NAME,
    fetch: options.fetch,
  };
  const answer = await callEndpoint(endpoint, { model: options.model, input, encoding_format: "float" }, signal);
  const data = isObject(answer) ? answer.data : undefined;
  if (!Array.isArray(data) || data.length !== input.length) {
    throw wrong(options, `a list "data" of ${input.length} vectors`, Array.isArray(data) ? `${data.length}` : "none");
  }
  const vectors: Float32Array[] = new Array(input.length);
  for (const [place, entry] of data.entries()) {
    const index = isObject(entry) && Number.isInteger(entry.index) ? (entry.index as number) : place;
    const embedding = isObject(entry) ? entry.embedding : undefined;
    const isVector =
      Array.isArray(embedding) && embedding.length > 0 && embedding.every((value) => typeof value === "number" && Number.isFinite(value));
    if (!isVector || index < 0 || index >= input.length) throw wrong(options, "a list of finite numbers in every entry", "something else");
    vectors[index] = normalized(embedding as number[]);
  }
  if (vectors.includes(undefined as never)) throw wrong(options, "a vector for every text", "one index twice");
  return vectors;
}

function normalized(values: readonly number[]): Float32Array {
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return Float32Array.from(values, (value) => (length > 0 ? value / length : 0));
}

function wrong({ url }: RemoteEmbedderOptions, expected: string, found: string): EndpointError {
  return new EndpointError(
    DOING,
    url,
    `expected ${expected}, found ${found}`,
    "Check that the address is of an OpenAI-compatible embeddings endpoint.",
  );
}
