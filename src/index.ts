/**
 * remora: fine-tune open language models from TypeScript.
 *
 * ```ts
 * import { openModel, train } from "remora";
 *
 * const run = await train({ model: "remora-tiny", data: "examples/translate/train.jsonl" }, { onEvent: (event) => console.log(event) });
 * const session = await openModel({ model: "remora-tiny", adapter: run.adapterPath });
 * const [answer] = await session.generate([{ row: { instruction: "次の文を英語に翻訳してください。", input: "雨です。" } }]);
 * console.log(answer?.text);
 * await session.close();
 * ```
 */

// ---- models by name ----
export { askAll, type NamedModel } from "./asking/named-model.ts";
export { type OpenNamedModelOptions, openNamedModel } from "./asking/open-named-model.ts";
// ---- configuration ----
export { defineConfig } from "./config/define-config.ts";
// ---- what comes back ----
export type { AskAnswer, AskRequest, DoctorReport, MemoryPlan, SaveEvent, SaveProof, SaveReport } from "./config/reports.ts";
export type { DebateConfigInput, QuestionsConfigInput } from "./config/schemas/debate.ts";
export type { GenerateConfigInput, SessionConfigInput } from "./config/schemas/generate.ts";
export type { PullConfigInput, PushConfigInput } from "./config/schemas/hub.ts";
export type { MergeConfigInput } from "./config/schemas/merge.ts";
export type { PlanConfigInput } from "./config/schemas/plan.ts";
export type { PretrainConfigInput } from "./config/schemas/pretrain.ts";
export type { AskConfig, AskConfigInput, EmbedderConfigInput, IndexConfigInput } from "./config/schemas/retrieval.ts";
export type { TrainConfigInput } from "./config/schemas/train.ts";
// ---- debate ----
export { type DebateEvent, type DebateOptions, type DebateReport, debate, debatePrice } from "./debate/debate.ts";
export type { DebateRecord } from "./debate/debate-record.ts";
export type { Price } from "./debate/price.ts";
export { makeQuestions } from "./debate/questions/make-questions.ts";
export { questionsPrice } from "./debate/questions/price-questions.ts";
export type { QuestionsEvent, QuestionsReport } from "./debate/questions/question-record.ts";
// ---- train, plan, ask, save, look at the machine ----
export { doctor, exportModel, openModel, plan, pretrain, type RunResult, type Session, train } from "./engine/index.ts";
// ---- documents: index, retrieve, answer from sources ----
export { type IndexReport, indexDocuments } from "./engine/index-documents.ts";
export { openEmbedder } from "./engine/open-embedder.ts";
export { type OpenedIndex, type OpenedSources, openIndex, openSources, retrieveOptions } from "./engine/open-sources.ts";
export { RemoraError } from "./errors/remora-error.ts";
// ---- the whole story at once ----
export { demo } from "./evaluation/demo.ts";
// ---- compare ----
export { type EvalEvent, type EvalResult, evaluate, makeReport } from "./evaluation/evaluate.ts";
// ---- publish and fetch ----
export type { PullReport, PushReport, TransferEvent } from "./hub/events.ts";
export { pull, push } from "./hub/index.ts";
export { shippedModels } from "./hub/shipped-models.ts";
export { type Answerer, type AnswerOptions, answerQuestion, type GroundedAnswer } from "./retrieval/answer/answer-question.ts";
export { type ContextRow, makeContextRow } from "./retrieval/answer/context-rows.ts";
export { sourceLabel } from "./retrieval/answer/prompt.ts";
export type { Embedder } from "./retrieval/embedder.ts";
export type { Hit } from "./retrieval/hit.ts";
export type { IndexEvent } from "./retrieval/index-documents.ts";
export { type Retrieved, type RetrieveOptions, retrieve } from "./retrieval/retrieve.ts";
export type { TrainEvent } from "./training/events.ts";
