/**
 * What the commands need of the library. Tests hand in a fake; the program loads `src/index.ts` when the first command needs it, because it
 * brings the engine with it.
 */
type FrontDoor = typeof import("../index.ts");

export type { RunResult, Session } from "../index.ts";
export type Library = Pick<
  FrontDoor,
  | "train"
  | "pretrain"
  | "exportModel"
  | "openModel"
  | "openNamedModel"
  | "plan"
  | "doctor"
  | "demo"
  | "push"
  | "pull"
  | "indexDocuments"
  | "openSources"
  | "openEmbedder"
  | "retrieveOptions"
  | "answerQuestion"
  | "makeContextRow"
  | "sourceLabel"
  | "evaluate"
  | "makeReport"
  | "debate"
  | "debatePrice"
  | "makeQuestions"
  | "questionsPrice"
>;

export async function loadLibrary(): Promise<Library> {
  return import("../index.ts");
}
