/** `POST /v1/chat/completions`: messages through the model's template, one answer or `n`, whole or streamed. */
import type { AskAnswer, AskRequest, TokenLogprob } from "../config/reports.ts";
import { eventStream } from "./event-stream.ts";
import type { ChatRequest } from "./request-schemas.ts";
import { chatRequest, parseBody, settingsOf } from "./request-schemas.ts";
import { finishReasonOf, type Served, usageOf } from "./served.ts";

export async function chatCompletions(served: Served, body: string, left: AbortSignal): Promise<Response> {
  const request = parseBody(chatRequest, body);
  served.checkModel(request.model);
  const asked: AskRequest[] = Array.from({ length: request.n ?? 1 }, (_, index) => ({
    messages: request.messages.map(toMessage),
    settings: settingsOf(request, served.randomSeed, index),
  }));
  const id = served.newId("chatcmpl");
  const created = served.seconds();
  if (request.stream) return streamed(served, request, asked, { id, created }, left);
  const answers = await served.answering.ask(asked, left);
  return Response.json({
    id,
    object: "chat.completion",
    created,
    model: request.model,
    choices: answers.map((answer, index) => ({
      index,
      message: { role: "assistant", content: answer.text, refusal: null },
      logprobs: chatLogprobs(answer.logprobs),
      finish_reason: finishReasonOf(answer),
    })),
    usage: usageOf(answers),
  });
}

function streamed(
  served: Served,
  request: ChatRequest,
  asked: readonly AskRequest[],
  head: { id: string; created: number },
  left: AbortSignal,
) {
  const withUsage = request.stream_options?.include_usage === true;
  const chunk = (choices: object[], usage?: object) => ({
    ...head,
    object: "chat.completion.chunk",
    model: request.model,
    choices,
    ...(withUsage && { usage: usage ?? null }),
  });
  const gone = new AbortController();
  return eventStream(
    async (send) => {
      const begun = new Set<number>();
      const begin = (index: number) => {
        if (begun.has(index)) return;
        begun.add(index);
        send(chunk([{ index, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }]));
      };
      const answers = await served.answering.ask(asked, AbortSignal.any([left, gone.signal]), ({ index, text, tokens }) => {
        begin(index);
        send(chunk([{ index, delta: { content: text }, logprobs: chatLogprobs(tokens), finish_reason: null }]));
      });
      for (const [index, answer] of answers.entries()) {
        begin(index);
        send(chunk([{ index, delta: {}, logprobs: null, finish_reason: finishReasonOf(answer) }]));
      }
      if (withUsage) send(chunk([], usageOf(answers)));
    },
    () => gone.abort(),
  );
}

function toMessage({ role, content }: ChatRequest["messages"][number]) {
  const text = typeof content === "string" ? content : (content ?? []).map((part) => part.text).join("");
  return { role: role === "developer" ? ("system" as const) : role, content: text };
}

function chatLogprobs(tokens: AskAnswer["logprobs"] | readonly TokenLogprob[]) {
  return tokens ? { content: tokens.map((token) => ({ ...token, top_logprobs: [] })), refusal: null } : null;
}
