/**
 * remora: fine-tune open language models from TypeScript.
 *
 * ```ts
 * import { openModel, train } from "remora";
 *
 * const run = await train({ model: "models/remora-toy", data: "examples/translate.jsonl" }, { onEvent: (event) => console.log(event) });
 * const session = await openModel({ model: "models/remora-toy", adapter: run.adapterPath });
 * const [answer] = await session.generate([{ row: { instruction: "次の文を英語に翻訳してください。", input: "雨です。" } }]);
 * console.log(answer?.text);
 * await session.close();
 * ```
 */

// ---- configuration ----
export { defineConfig } from "./config/define-config.ts";
// ---- what comes back ----
export type { AskAnswer, AskRequest, DoctorReport, MemoryPlan } from "./config/reports.ts";
export type { GenerateConfigInput, SessionConfigInput } from "./config/schemas/generate.ts";
export type { PullConfigInput, PushConfigInput } from "./config/schemas/hub.ts";
export type { PlanConfigInput } from "./config/schemas/plan.ts";
export type { TrainConfigInput } from "./config/schemas/train.ts";
// ---- train, plan, ask, look at the machine ----
export { doctor, openModel, plan, type RunResult, type Session, train } from "./engine/index.ts";
export { RemoraError } from "./errors/remora-error.ts";
// ---- the whole story at once ----
export { demo } from "./evaluation/demo.ts";
// ---- publish and fetch ----
export type { PullReport, PushReport, TransferEvent } from "./hub/events.ts";
export { pull, push } from "./hub/index.ts";
export type { TrainEvent } from "./training/events.ts";
