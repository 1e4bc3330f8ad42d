/** A model as judge and as translator: the same asking, with the words that the role needs. */
import type { AskRequest } from "../../config/reports.ts";
import type { AskJudge } from "../judge/pairwise-judge.ts";
import type { EvalModel } from "./answer-variant.ts";
import type { Translator } from "./translate-report.ts";

const TRANSLATE = {
  en: "Translate the text into English. Reply with the translation alone.",
  ja: "次の文を日本語に翻訳してください。訳文だけを答えてください。",
};

export function modelJudge(model: EvalModel): AskJudge {
  return async (prompt, signal) => (await model.ask({ messages: [{ role: "user", content: prompt }] }, { signal })).text;
}

export function modelTranslator(model: EvalModel): Translator {
  return {
    fingerprint: model.fingerprint,
    batchSize: model.concurrency,
    async translate(texts, signal) {
      const template = await model.template();
      const settled = await Promise.allSettled(
        texts.map(({ text, to }) => model.ask(requestOf(text, TRANSLATE[to], template), { signal })),
      );
      return settled.map((result) => {
        if (result.status === "fulfilled")
          return result.value.text.trim() === "" ? new Error("an empty translation") : result.value.text.trim();
        return result.reason instanceof Error ? result.reason : new Error(String(result.reason));
      });
    },
  };
}

function requestOf(text: string, instruction: string, template: string): AskRequest {
  if (template === "chat") return { messages: [{ role: "user", content: `${instruction}\n\n${text}` }] };
  return template === "raw" ? { prompt: `${instruction}\n\n${text}\n\n` } : { row: { instruction, input: text } };
}
