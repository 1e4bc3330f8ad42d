/** Documents of an index as a comparison answers from them: the same path as `remora ask`, threshold and words for not knowing included. */
import type { AskConfig } from "../../config/schemas/retrieval.ts";
import { openSources, retrieveOptions } from "../../engine/open-sources.ts";
import { answerQuestion } from "../../retrieval/answer/answer-question.ts";
import { sourceLabel } from "../../retrieval/answer/prompt.ts";
import type { UnreadDocument } from "../../retrieval/store/document-index.ts";
import type { Documents } from "./answer-variant.ts";

export async function indexedDocuments(config: AskConfig): Promise<Documents> {
  const unreadPages: UnreadDocument[] = [];
  const opened = await openSources(config, (document, reason) =>
    unreadPages.push({ document, reason, triedAt: new Date().toISOString(), keepsOldText: false }),
  );
  const options = retrieveOptions(config, opened);
  const { index, search, limit, candidates, rerank, viewpoints, minSimilarity, minCoverage, instructions } = config;
  const documents = [...((await opened.index?.documents()) ?? [])];
  const unread = (await opened.index?.unread()) ?? [];
  const web = config.web && [config.webPages, config.webSearch, config.webResults];
  return {
    fingerprint: JSON.stringify([
      index,
      documents,
      web,
      search,
      limit,
      candidates,
      rerank,
      viewpoints,
      minSimilarity,
      minCoverage,
      instructions,
    ]),
    async answer(question, model, signal) {
      const {
        answer,
        sources,
        model: said,
        status,
      } = await answerQuestion(opened.index, question, (request, asked) => model.ask(request, { signal: asked.signal }), {
        ...options,
        signal,
        instructions,
        template: () => model.template(),
      });
      const shown = sources.map((hit) => ({ title: sourceLabel(hit), text: hit.text, score: hit.score }));
      return { text: answer, sources: status === "no-support" ? [] : shown, model: said };
    },
    unread: () => [...unread, ...unreadPages],
    close: () => opened.close(),
  };
}
