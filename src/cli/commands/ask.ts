/**
 * `remora ask`: a question answered from indexed documents, with numbered sources, or the words for not knowing.
 * stdout: the answer as it comes, then the sources. With --rows and --rows-out it makes training rows with context instead.
 */
import { askSettings } from "../../config/ask-settings.ts";
import { sessionSchema } from "../../config/schemas/generate.ts";
import { type AskConfig, askSchema } from "../../config/schemas/retrieval.ts";
import { ConfigError } from "../../errors/config-error.ts";
import { counted } from "../../errors/counted.ts";
import type { Answerer, GroundedAnswer, NamedModel } from "../../index.ts";
import { defineCommand } from "../command.ts";
import type { Library } from "../library.ts";
import { AnswerWriter } from "./answer-writer.ts";
import { makeRows } from "./ask-rows.ts";
import { readAll } from "./read-all.ts";

export const command = defineCommand({
  name: "ask",
  schema: askSchema,
  description:
    "Answer a question from indexed documents, with numbered sources, or say that it is not known when nothing found supports an answer. " +
    "Make the index first: remora index.",
  examples: [
    'remora ask "Who chairs the G7 this year?" --index my-index --model ./SmolLM2-135M',
    'remora ask "G7の議長国は？" --index my-index --model ./base --adapter run/adapter --rerank mmr',
    'remora ask "Should we join?" --index my-index --model ./base --rerank viewpoints --viewpoints cost safety history',
    'remora ask "What changed this week?" --web --web-search searxng:http://localhost:8888 --model ./base',
    "remora ask --rows questions.jsonl --rows-out train.jsonl --index my-index",
  ],
  wordsAs: { option: "question", placeholder: "What to ask" },
  async run(context) {
    const { config, json, io, library, signal, say, print, resultStyle, proseStyle } = context;
    if (config.rows !== undefined || config.rowsOut !== undefined) return makeRows(context);
    const question = (config.question ?? (await readAll(io.stdin))).trim();
    const problems = [
      ...(question === "" ? [{ path: "question", problem: "expected something to ask, found nothing" }] : []),
      ...(config.model === undefined ? [{ path: "model", problem: "required, found nothing" }] : []),
    ];
    if (problems.length > 0) throw new ConfigError("Configuring remora ask", problems);
    const opened = await library.openSources(config, (url, problem) => say(`${proseStyle.yellow("not read")} ${url}: ${problem}`));
    const model = lazyModel(library, config);
    try {
      const writer = new AnswerWriter(io.stdout, resultStyle);
      let streamed = false;
      const result = await library.answerQuestion(opened.index, question, model.answer, {
        ...library.retrieveOptions(config, opened),
        signal,
        instructions: config.instructions,
        template: model.template,
        onText: json
          ? undefined
          : (text) => {
              streamed = true;
              writer.push(text);
            },
        onPrompt: config.showPrompt ? (prompt) => say(`${prompt.instructions}\n\n${prompt.context}\n\n${prompt.question}\n`) : undefined,
      });
      if (json) print(JSON.stringify(reportOf(result, config, library)));
      else {
        if (!streamed) writer.push(result.answer);
        writer.end();
        showSources(result, library, print);
        say(proseStyle.dim(explain(result)));
        if (result.search === "text" && opened.index?.hasVectors === false)
          say(proseStyle.dim("The index has full text alone: add --embedder to remora index to find by meaning."));
      }
      return result.status === "cancelled" ? 130 : 0;
    } finally {
      await model.close();
      await opened.close();
    }
  },
});

/** The model is named and opened when the first question has sources: a question that nothing supports costs no loading. */
function lazyModel(library: Library, config: AskConfig) {
  let model: Promise<NamedModel> | undefined;
  const open = () => {
    const { timeoutSeconds, retries: maxRetries } = config;
    const names = Object.keys(sessionSchema.shape).filter((name) => name !== "model");
    const local = Object.fromEntries(Object.entries(config).filter(([name]) => names.includes(name)));
    model ??= library.openNamedModel(config.model!, {
      local,
      settings: askSettings(config),
      concurrency: 1,
      timeoutMs: timeoutSeconds * 1000,
      maxRetries,
    });
    return model;
  };
  const answer: Answerer = async (request, options) => (await open()).ask(request, options);
  return {
    answer,
    template: async () => (await open()).template(),
    close: async () => (await model?.catch(() => undefined))?.close(),
  };
}

function showSources(result: GroundedAnswer, library: Library, print: (line: string) => void): void {
  if (result.status === "no-support") return;
  print("");
  print("Sources");
  for (const [index, hit] of result.sources.entries()) {
    const mark = result.cited.includes(index + 1) ? "*" : " ";
    print(`${mark} [${index + 1}] ${library.sourceLabel(hit)}${hit.viewpoint === undefined ? "" : ` — ${hit.viewpoint}`}`);
  }
}

/** Why it was answered or not, in figures. */
function explain({ support, search, sources, status, sourcesLeftOut }: GroundedAnswer): string {
  const figures = [
    ...(support.bestSimilarity === undefined
      ? []
      : [`best similarity ${support.bestSimilarity.toFixed(2)} (enough from ${support.minSimilarity})`]),
    `best share of the question's words ${support.bestCoverage.toFixed(2)} (enough from ${support.minCoverage})`,
  ].join(", ");
  const left = sourcesLeftOut > 0 ? `; ${sourcesLeftOut} more did not fit the model's context` : "";
  return status === "no-support"
    ? `No model was asked: nothing found supports an answer. ${sources.length} found by ${search}; ${figures}`
    : `${counted(sources.length, "source")} by ${search}${left}; ${figures}`;
}

function reportOf(result: GroundedAnswer, config: AskConfig, library: Library) {
  const { sources, model, ...rest } = result;
  return {
    ...rest,
    model: config.model,
    index: config.index,
    sources: sources.map(({ vector: _, ...hit }, index) => ({ number: index + 1, label: library.sourceLabel(hit), ...hit })),
    generation: model && {
      finishReason: model.finishReason,
      promptTokens: model.promptTokens,
      tokens: model.tokens,
      seconds: model.seconds,
    },
  };
}
