/**
 * The routes, in OpenAI's words, over a session that is already open. A web-standard `fetch`: tests call it in process, `start-server.ts` puts it
 * on a port.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Session } from "../engine/index.ts";
import { ApiError } from "../errors/api-error.ts";
import type { Embedder } from "../retrieval/embedder.ts";
import { Answering } from "./answering.ts";
import { chatCompletions } from "./chat-completions.ts";
import { completions } from "./completions.ts";
import { embeddings } from "./embeddings.ts";
import { errorResponse } from "./openai-error.ts";
import { Served } from "./served.ts";

export interface AppOptions {
  readonly session: Session;
  /** @default the session's model as it was named */
  readonly name?: string;
  readonly embedder?: Embedder;
  /** Asked for on every route but /health; undefined lets everybody in. */
  readonly apiKey?: string;
  readonly maxBodyBytes: number;
  /** Requests running and in line. */
  readonly maxInFlight: number;
  readonly timeoutMs: number;
  /** Hears failures that are not the client's. */
  readonly onFailure?: (error: unknown) => void;
}

export interface App {
  fetch(request: Request, env?: object): Response | Promise<Response>;
  readonly name: string;
  readonly answering: Answering;
}

export function createApp(options: AppOptions): App {
  const { session, embedder, apiKey } = options;
  const answering = new Answering(session, options);
  const served = new Served(answering, options.name ?? session.model);
  const hono = new Hono();
  hono.get("/health", async (context) =>
    context.json(
      { status: answering.isDraining ? "stopping" : "ok", inFlight: answering.inFlight, ...(await session.stats()) },
      answering.isDraining ? 503 : 200,
    ),
  );
  hono.use("/v1/*", async (context, next) => {
    if (apiKey !== undefined && !isEqual(context.req.header("authorization") ?? "", `Bearer ${apiKey}`)) {
      throw new ApiError(401, "invalid_api_key", "expected the server's API key as a bearer token", { type: "authentication_error" });
    }
    await next();
  });
  hono.use(
    "/v1/*",
    bodyLimit({
      maxSize: options.maxBodyBytes,
      onError: () => errorResponse(new ApiError(413, "body_too_large", `the body is longer than ${options.maxBodyBytes} bytes`)),
    }),
  );
  hono.get("/v1/models", (context) => {
    const names = [served.name, ...(embedder ? [embedder.name] : [])];
    return context.json({ object: "list", data: names.map(modelEntry) });
  });
  hono.get("/v1/models/:name{.+}", (context) => {
    const name = context.req.param("name");
    if (name !== embedder?.name) served.checkModel(name);
    return context.json(modelEntry(name));
  });
  hono.post("/v1/chat/completions", async ({ req }) => chatCompletions(served, await req.text(), req.raw.signal));
  hono.post("/v1/completions", async ({ req }) => completions(served, await req.text(), req.raw.signal));
  hono.post("/v1/embeddings", async ({ req }) => embeddings(embedder, await req.text(), req.raw.signal));
  hono.notFound(({ req }) => errorResponse(new ApiError(404, "not_found", `there is no ${req.method} ${req.path.slice(0, 200)}`)));
  hono.onError((error, { req }) => {
    // A body that was cut short: nobody is there to read an answer.
    if (req.raw.signal.aborted || (error as NodeJS.ErrnoException).code === "ECONNRESET")
      return errorResponse(new ApiError(499, "client_left", "the client left"));
    const response = errorResponse(error);
    if (response.status === 500) options.onFailure?.(error);
    return response;
  });
  return { fetch: (request, env) => hono.fetch(request, env), name: served.name, answering };
}

const modelEntry = (id: string) => ({ id, object: "model", created: 0, owned_by: "remora" });

/** In a time that does not tell how much of the key was right. */
function isEqual(found: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(found), digest(expected));
}
