/** Others' libraries talk to a running server; LangChain.js and LlamaIndex.TS answer from documents through it, embeddings included. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { MetadataMode, TextNode } from "@llamaindex/core/schema";
import { OpenAI as LlamaOpenAI, OpenAIEmbedding } from "@llamaindex/openai";
import { embedMany, generateText, streamText } from "ai";
import { afterAll, beforeAll, expect, it } from "vitest";
import { letterEmbedder, openTestServer, type TestServer } from "./testing/test-server.ts";

const DOCUMENTS = ["zebras graze on grass", "the moon moves oceans", "bread needs yeast"];
const QUESTION = "what moves the oceans";
let server: TestServer;
let baseURL: string;

beforeAll(async () => {
  server = await openTestServer({ apiKey: "secret", embedder: letterEmbedder() });
  baseURL = `${server.url}/v1`;
});
afterAll(() => server.close());

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, index) => sum + value * b[index]!, 0);
/** The document whose vector is nearest. */
const nearest = (query: readonly number[], vectors: readonly (readonly number[])[]) =>
  vectors.map((vector, index) => ({ index, score: dot(query, vector) })).sort((a, b) => b.score - a.score)[0]!.index;

it("the ai package: text, a stream, vectors", async () => {
  const provider = createOpenAICompatible({ name: "remora", baseURL, apiKey: "secret", includeUsage: true });
  const ask = { model: provider("tiny"), prompt: QUESTION, temperature: 0, maxOutputTokens: 8 };
  const whole = await generateText(ask);
  expect(whole.usage.outputTokens).toBeGreaterThan(0);
  const stream = streamText(ask);
  let text = "";
  for await (const piece of stream.textStream) text += piece;
  expect(text).toBe(whole.text);
  expect((await stream.usage).outputTokens).toBe(whole.usage.outputTokens);
  const { embeddings } = await embedMany({ model: provider.embeddingModel("letters"), values: DOCUMENTS });
  expect(embeddings.map(({ length }) => length)).toEqual([26, 26, 26]);
});

it("LangChain.js answers from what it retrieved", async () => {
  const configuration = { baseURL };
  const encoder = new OpenAIEmbeddings({ model: "letters", apiKey: "secret", configuration });
  const vectors = await encoder.embedDocuments(DOCUMENTS);
  const found = DOCUMENTS[nearest(await encoder.embedQuery(QUESTION), vectors)]!;
  expect(found).toBe(DOCUMENTS[1]);
  const model = new ChatOpenAI({ model: "tiny", apiKey: "secret", configuration, temperature: 0, maxTokens: 8 });
  const prompt = ChatPromptTemplate.fromMessages([
    ["system", "Answer from: {found}"],
    ["user", "{question}"],
  ]);
  const chain = prompt.pipe(model);
  const answer = await chain.invoke({ found, question: QUESTION });
  expect(answer.usage_metadata!.output_tokens).toBeGreaterThan(0);
  let streamed = "";
  for await (const chunk of await chain.stream({ found, question: QUESTION })) streamed += chunk.content;
  expect(streamed).toBe(answer.content);
});

it("LlamaIndex.TS answers from what it retrieved", async () => {
  const encoder = new OpenAIEmbedding({ model: "letters", apiKey: "secret", baseURL });
  const nodes = DOCUMENTS.map((text) => new TextNode({ text }));
  const vectors = await encoder.getTextEmbeddings(nodes.map((node) => node.getContent(MetadataMode.NONE)));
  const found = nodes[nearest((await encoder.getTextEmbedding(QUESTION))!, vectors)]!.getContent(MetadataMode.NONE);
  expect(found).toBe(DOCUMENTS[1]);
  const model = new LlamaOpenAI({ model: "tiny", apiKey: "secret", baseURL, temperature: 0, maxTokens: 8 });
  const messages = [
    { role: "system" as const, content: `Answer from: ${found}` },
    { role: "user" as const, content: QUESTION },
  ];
  const answer = await model.chat({ messages });
  expect(String(answer.message.content).length).toBeGreaterThan(0);
  let streamed = "";
  for await (const { delta } of await model.chat({ messages, stream: true })) streamed += delta;
  expect(streamed).toBe(answer.message.content);
});
