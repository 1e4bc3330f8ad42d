/** `POST /v1/embeddings`, through the encoder that the server was started with. */
import { ApiError } from "../errors/api-error.ts";
import type { Embedder } from "../retrieval/embedder.ts";
import { embeddingRequest, parseBody } from "./request-schemas.ts";

export async function embeddings(embedder: Embedder | undefined, body: string, signal: AbortSignal): Promise<Response> {
  const request = parseBody(embeddingRequest, body);
  if (!embedder) {
    throw new ApiError(501, "embeddings_unavailable", "this server was started without an encoder, so it makes no embeddings");
  }
  if (request.model !== embedder.name) {
    throw new ApiError(404, "model_not_found", `there is no encoder ${request.model} here`, {
      param: "model",
      next: `This server has ${embedder.name}.`,
    });
  }
  if (request.dimensions !== undefined && request.dimensions !== embedder.dimensions) {
    throw new ApiError(400, "invalid_value", `dimensions: this encoder's vectors have ${embedder.dimensions}`, { param: "dimensions" });
  }
  const texts = [request.input].flat();
  const [vectors, counts] = await Promise.all([embedder.embed(texts, { signal }), embedder.countTokens?.(texts)]);
  const tokens = counts?.reduce((sum, count) => sum + count, 0) ?? 0;
  const write = (vector: Float32Array) =>
    request.encoding_format === "base64"
      ? Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64")
      : [...vector];
  return Response.json({
    object: "list",
    model: request.model,
    data: vectors.map((vector, index) => ({ object: "embedding", index, embedding: write(vector) })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}
