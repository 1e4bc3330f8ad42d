/** An OpenAI-compatible endpoint whose models are functions of the prompt: for journeys through models by name. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Text to answer; a number is an HTTP status; a promise may never come. */
export type FakeModel = (prompt: string) => string | number | Promise<string | number>;

export interface FakeEndpoint {
  /** `openai-compatible:http://127.0.0.1:…/v1#name` */
  model(name: string): string;
  readonly calls: { model: string; prompt: string }[];
  close(): void;
}

export async function fakeEndpoint(models: Record<string, FakeModel>): Promise<FakeEndpoint> {
  const calls: FakeEndpoint["calls"] = [];
  const server: Server = createServer(async (request, response) => {
    let text = "";
    for await (const piece of request) text += piece;
    const { model, messages } = JSON.parse(text) as { model: string; messages: { content: string }[] };
    const prompt = messages.at(-1)!.content;
    calls.push({ model, prompt });
    const said = await models[model]!(prompt);
    if (typeof said === "number") {
      response.writeHead(said, { "content-type": "application/json" }).end(JSON.stringify({ error: { message: "broken" } }));
      return;
    }
    const chunk = (choices: unknown[], usage?: unknown) =>
      `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model, choices, usage })}\n\n`;
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(chunk([{ index: 0, delta: { role: "assistant", content: said }, finish_reason: "stop" }]));
    response.end(`${chunk([], { prompt_tokens: 30, completion_tokens: 5, total_tokens: 35 })}data: [DONE]\n\n`);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    model: (name) => `openai-compatible:http://127.0.0.1:${(server.address() as AddressInfo).port}/v1#${name}`,
    calls,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
