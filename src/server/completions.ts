/** `POST /v1/completions`: text goes on as it stands, no template. Several prompts, each `n` times, in OpenAI's order. */
import type { AskRequest, TokenLogprob } from "../config/reports.ts";
import { eventStream } from "./event-stream.ts";
import { completionRequest, parseBody, settingsOf } from "./request-schemas.ts";
import { finishReasonOf, type Served, usageOf } from "./served.ts";

export async function completions(served: Served, body: string, left: AbortSignal): Promise<Response> {
  const request = parseBody(completionRequest, body);
  served.checkModel(request.model);
  const asked = [request.prompt]
    .flat()
    .flatMap((prompt): AskRequest[] =>
      Array.from({ length: request.n ?? 1 }, (_, index) => ({ prompt, settings: settingsOf(request, served.randomSeed, index) })),
    );
  const head = { id: served.newId("cmpl"), object: "text_completion", created: served.seconds(), model: request.model };
  if (!request.stream) {
    const answers = await served.answering.ask(asked, left);
    const choices = answers.map((answer, index) => choice(index, answer.text, answer.logprobs, finishReasonOf(answer)));
    return Response.json({ ...head, choices, usage: usageOf(answers) });
  }
  const withUsage = request.stream_options?.include_usage === true;
  const gone = new AbortController();
  return eventStream(
    async (send) => {
      const chunk = (choices: object[], usage?: object) => send({ ...head, choices, ...(withUsage && { usage: usage ?? null }) });
      const answers = await served.answering.ask(asked, AbortSignal.any([left, gone.signal]), ({ index, text, tokens }) =>
        chunk([choice(index, text, tokens, null)]),
      );
      for (const [index, answer] of answers.entries()) chunk([choice(index, "", undefined, finishReasonOf(answer))]);
      if (withUsage) chunk([], usageOf(answers));
    },
    () => gone.abort(),
  );
}

function choice(index: number, text: string, tokens: readonly TokenLogprob[] | undefined, finish: string | null) {
  const logprobs = tokens
    ? {
        tokens: tokens.map(({ token }) => token),
        token_logprobs: tokens.map(({ logprob }) => logprob),
        top_logprobs: null,
        text_offset: [],
      }
    : null;
  return { index, text, logprobs, finish_reason: finish };
}
