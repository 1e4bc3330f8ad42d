/** Documents of an index and the web as a comparison answers from them: the same path as `remora ask`, threshold and words for not knowing included. */
import type { AskConfig } from "../../config/schemas/retrieval.ts";
import { openSources, retrieveOptions } from "../../engine/open-sources.ts";
import { answerQuestion } from "../../retrieval/answer/answer-question.ts";
import { sourceLabel } from "../../retrieval/answer/prompt.ts";
import type { Documents } from "./answer-variant.ts";
import type { RecordLog } from "./record-log.ts";

/** A page of the web that could not be read, with the fingerprint of the documents whose answers lack it. */
export interface LoggedPage {
  readonly fingerprint: string;
  readonly document: string;
  readonly reason: string;
  /** ISO 8601. */
  readonly triedAt: string;
}

/** @param pages keeps what failed on the web: answers that were given without a page are not asked again, so a later run has to know of it */
export async function indexedDocuments(config: AskConfig, pages: RecordLog<LoggedPage> | undefined): Promise<Documents> {
  const opened = await openSources(config, (document, reason) =>
    pages?.add({ fingerprint, document, reason, triedAt: new Date().toISOString() }),
  );
  const options = retrieveOptions(config, opened);
  const { index, search, limit, candidates, rerank, viewpoints, minSimilarity, minCoverage, instructions } = config;
  const documents = [...((await opened.index?.documents()) ?? [])];
  const unread = (await opened.index?.unread()) ?? [];
  const web = config.web && [config.webPages, config.webSearch, config.webResults];
  const fingerprint = JSON.stringify([
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
  ]);
  return {
    fingerprint,
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
    unread() {
      const failed = [...(pages?.values() ?? [])].filter((page) => page.fingerprint === fingerprint);
      return [...unread, ...failed.map(({ document, reason, triedAt }) => ({ document, reason, triedAt, keepsOldText: false }))];
    },
    close: () => opened.close(),
  };
}
