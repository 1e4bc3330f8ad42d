/** An OpenAI-compatible endpoint for tests: each chat is answered by a function, which may also stay silent or write what no client expects. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Words, or a way to misbehave: no answer at all, a page of HTML, broken JSON. */
export type ScriptedReply = string | { readonly misbehave: "silent" | "html" | "json" };

export interface ScriptedEndpoint extends AsyncDisposable {
  /** As models by name take it. */
  readonly name: string;
  /** What was asked, the last message of each. */
  readonly asked: string[];
}

/** Usage is one prompt token for each word of the message and one answer token for each of the reply's. */
export async function scriptedEndpoint(reply: (content: string) => ScriptedReply): Promise<ScriptedEndpoint> {
  const asked: string[] = [];
  const server = createServer(async (incoming, outgoing) => {
    let body = "";
    for await (const piece of incoming) body += piece;
    const { content } = (JSON.parse(body) as { messages: { content: string }[] }).messages.at(-1)!;
    asked.push(content);
    const said = reply(content);
    if (typeof said === "object") {
      if (said.misbehave === "silent") return;
      outgoing.writeHead(200, { "content-type": said.misbehave === "html" ? "text/html" : "text/event-stream" });
      outgoing.end(said.misbehave === "html" ? "<h1>Welcome</h1>" : 'data: {"choices": [{"delta"\n\n');
      return;
    }
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    const chunk = (choices: unknown[], usage?: unknown) =>
      outgoing.write(`data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "m", choices, usage })}\n\n`);
    chunk([{ index: 0, delta: { role: "assistant", content: said }, finish_reason: "stop" }]);
    const [prompt, answer] = [content.split(/\s+/).length, said.split(/\s+/).length];
    chunk([], { prompt_tokens: prompt, completion_tokens: answer, total_tokens: prompt + answer });
    outgoing.end("data: [DONE]\n\n");
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    name: `openai-compatible:http://127.0.0.1:${(server.address() as AddressInfo).port}/v1#m`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}
