/**
 * Server-sent events as OpenAI sends them: `data: {json}` for each chunk, `data: [DONE]` last. The response begins with the first chunk or the
 * first failure, so that a request that cannot be answered still gets its own HTTP status; a later failure is an event with an `error`.
 */
import { errorResponse, toOpenAiError } from "./openai-error.ts";

const encoder = new TextEncoder();
const frame = (data: unknown) => encoder.encode(`data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);

/**
 * @param produce sends chunks; resolves when all are sent
 * @param onLeft the client stopped reading
 */
export async function eventStream(produce: (send: (chunk: object) => void) => Promise<void>, onLeft: () => void): Promise<Response> {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let isOpen = true;
  const stream = new ReadableStream<Uint8Array>({
    start: (made) => {
      controller = made;
    },
    cancel: () => {
      isOpen = false;
      onLeft();
    },
  });
  const send = (chunk: unknown) => {
    if (isOpen) controller.enqueue(frame(chunk));
  };
  let begin!: (failure?: { error: unknown }) => void;
  const begun = new Promise<{ error: unknown } | undefined>((resolve) => {
    begin = resolve;
  });
  let hasBegun = false;
  produce((chunk) => {
    send(chunk);
    hasBegun = true;
    begin();
  }).then(
    () => {
      send("[DONE]");
      begin();
      if (isOpen) controller.close();
    },
    (error) => {
      if (!hasBegun) return begin({ error });
      send(toOpenAiError(error).body);
      if (isOpen) controller.close();
    },
  );
  const failure = await begun;
  if (failure) return errorResponse(failure.error);
  return new Response(stream, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no" },
  });
}
