/**
 * What the commands need from the library, as an interface: tests hand in a fake, the program loads `src/index.ts` when the first command
 * needs it.
 */

import type { AskAnswer, AskRequest, DemoEvent, DemoReport, DoctorReport, MemoryPlan } from "../config/reports.ts";
import type { DemoConfigInput, DoctorConfigInput } from "../config/schemas/demo.ts";
import type { SessionConfigInput } from "../config/schemas/generate.ts";
import type { PlanConfigInput } from "../config/schemas/plan.ts";
import type { TrainConfigInput } from "../config/schemas/train.ts";
import type { RunEndEvent, TrainEvent } from "../training/events.ts";

/** What `train()` resolves to. */
export type RunResult = Omit<RunEndEvent, "event">;

/** A loaded model that answers. */
export interface Session {
  /** As the user named it, and where it runs. */
  readonly model: string;
  readonly device: string;
  /**
   * Answers all requests, batched, in the order given.
   * @param options.onText receives each answer's text as it comes, by the request's index
   */
  generate(
    requests: readonly AskRequest[],
    options?: { onText?: (text: string, index: number) => void; signal?: AbortSignal },
  ): Promise<AskAnswer[]>;
  close(): Promise<void>;
}

export interface Library {
  train(config: TrainConfigInput, options?: { signal?: AbortSignal; onEvent?: (event: TrainEvent) => void }): Promise<RunResult>;
  openModel(config: SessionConfigInput): Promise<Session>;
  plan(config: PlanConfigInput): Promise<MemoryPlan>;
  doctor(config?: DoctorConfigInput): Promise<DoctorReport>;
  demo(config: DemoConfigInput, options?: { signal?: AbortSignal; onEvent?: (event: DemoEvent | TrainEvent) => void }): Promise<DemoReport>;
}

export async function loadLibrary(): Promise<Library> {
  return (await import("../index.ts")) as unknown as Library;
}
