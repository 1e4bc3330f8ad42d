/** Others' libraries talk to a running server; LangChain.js and LlamaIndex.TS keep vectors of it in their own stores, retrieve, and answer from that. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { MemoryVectorStore } from "@langchain/classic/vectorstores/memory";
import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { RunnablePassthrough, RunnableSequence } from "@langchain/core/runnables";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { OpenAI as LlamaOpenAI, OpenAIEmbedding } from "@llamaindex/openai";
import { embedMany, generateText, streamText } from "ai";
import { Document, Settings, VectorStoreIndex } from "llamaindex";
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

/** A `fetch` that keeps the bodies of what is asked of a route. */
function recordingFetch(route: string) {
  const bodies: string[] = [];
  const record: typeof fetch = (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    if (url.endsWith(route)) bodies.push(String(init?.body));
    return fetch(input, init);
  };
  return { bodies, record };
}

/** The model was asked once for each answer, each time with the document that answers the question and no other. */
function expectGrounded(bodies: readonly string[], times: number): void {
  expect(bodies).toHaveLength(times);
  for (const body of bodies) {
    expect(DOCUMENTS.filter((document) => body.includes(document))).toEqual([DOCUMENTS[1]]);
    expect(body).toContain(QUESTION);
  }
}

it("LangChain.js: a MemoryVectorStore as retriever, then an answer from what it found", async () => {
  const { bodies, record } = recordingFetch("/chat/completions");
  const encoder = new OpenAIEmbeddings({ model: "letters", apiKey: "secret", configuration: { baseURL } });
  const metadata = DOCUMENTS.map((_, index) => ({ source: `${index}.txt` }));
  const store = await MemoryVectorStore.fromTexts([...DOCUMENTS], metadata, encoder);
  const retriever = store.asRetriever({ k: 1 });
  expect((await retriever.invoke(QUESTION)).map(({ metadata: { source } }) => source)).toEqual(["1.txt"]);
  const model = new ChatOpenAI({
    model: "tiny",
    apiKey: "secret",
    configuration: { baseURL, fetch: record },
    temperature: 0,
    maxTokens: 8,
  });
  const prompt = ChatPromptTemplate.fromMessages([
    ["system", "Answer from: {found}"],
    ["user", "{question}"],
  ]);
  const chain = RunnableSequence.from([
    {
      found: retriever.pipe((documents) => documents.map(({ pageContent }) => pageContent).join("\n")),
      question: new RunnablePassthrough<string>(),
    },
    prompt,
    model,
    new StringOutputParser(),
  ]);
  const answer = await chain.invoke(QUESTION);
  expect(answer.length).toBeGreaterThan(0);
  let streamed = "";
  for await (const piece of await chain.stream(QUESTION)) streamed += piece;
  expect(streamed).toBe(answer);
  expectGrounded(bodies, 2);
});

it("LlamaIndex.TS: a VectorStoreIndex as query engine, its answer and its sources", async () => {
  const { bodies, record } = recordingFetch("/chat/completions");
  Settings.embedModel = new OpenAIEmbedding({ model: "letters", apiKey: "secret", baseURL });
  const additionalSessionOptions = { fetch: record };
  Settings.llm = new LlamaOpenAI({ model: "tiny", apiKey: "secret", baseURL, temperature: 0, maxTokens: 8, additionalSessionOptions });
  const index = await VectorStoreIndex.fromDocuments(DOCUMENTS.map((text, place) => new Document({ text, id_: `${place}.txt` })));
  const engine = index.asQueryEngine({ similarityTopK: 1 });
  const answer = await engine.query({ query: QUESTION });
  expect(answer.sourceNodes!.map(({ node }) => node.sourceNode!.nodeId)).toEqual(["1.txt"]);
  expect(String(answer.message.content).length).toBeGreaterThan(0);
  let streamed = "";
  for await (const { delta } of await engine.query({ query: QUESTION, stream: true })) streamed += delta;
  expect(streamed).toBe(answer.message.content);
  expectGrounded(bodies, 2);
});
