/** The engine as functions: each starts a worker that owns a device, and stays a promise with events for the caller. */
import { createRequire } from "node:module";
import type {
  AskAnswer,
  AskRequest,
  DoctorReport,
  MemoryPlan,
  SaveEvent,
  SaveReport,
  SessionStats,
  TokenLogprob,
} from "../config/reports.ts";
import type { DoctorConfigInput } from "../config/schemas/demo.ts";
import type { SessionConfigInput } from "../config/schemas/generate.ts";
import type { MergeConfigInput } from "../config/schemas/merge.ts";
import type { PlanConfigInput } from "../config/schemas/plan.ts";
import type { PretrainConfigInput } from "../config/schemas/pretrain.ts";
import type { TrainConfigInput } from "../config/schemas/train.ts";
import type { RunEndEvent, TrainEvent } from "../training/events.ts";
import { EngineClient, runInEngine } from "./client.ts";
import type { OpenedSession } from "./session-job.ts";

/** What `train()` resolves to. */
export type RunResult = Omit<RunEndEvent, "event">;

/**
 * Tunes a model. Resolves when the run is over, also after an abort (`reason: "interrupted"`, with a checkpoint written).
 * @throws RemoraError of every kind: bad config, data, model or memory, before anything is written
 */
export async function train(
  config: TrainConfigInput,
  options: { signal?: AbortSignal; onEvent?: (event: TrainEvent) => void } = {},
): Promise<RunResult> {
  const { signal } = options;
  const onEvent = options.onEvent as ((event: object) => void) | undefined;
  const { event: _, ...result } = await runInEngine<RunEndEvent>("train", config, { signal, onEvent });
  return result;
}

/**
 * Trains all weights of a model on token files. Resolves when the run is over, also after an abort (with a checkpoint written).
 * @throws RemoraError of every kind: bad config, token files, model or memory, before anything is written
 */
export async function pretrain(
  config: PretrainConfigInput,
  options: { signal?: AbortSignal; onEvent?: (event: TrainEvent) => void } = {},
): Promise<RunResult> {
  const { signal } = options;
  const onEvent = options.onEvent as ((event: object) => void) | undefined;
  const { event: _, ...result } = await runInEngine<RunEndEvent>("pretrain", config, { signal, onEvent });
  return result;
}

/** Prices a run: memory by kind, time of a step, and the knobs. Reads headers only. */
export function plan(config: PlanConfigInput): Promise<MemoryPlan> {
  return runInEngine("plan", config);
}

/**
 * Saves a model, with adapters merged in, in a form that others load; proven against the tuned model before it gets its name.
 * @throws ProofError when the save does not answer like the tuned model; nothing stays then. RemoraError of every kind for bad input.
 */
export function exportModel(
  config: MergeConfigInput,
  options: { signal?: AbortSignal; onEvent?: (event: SaveEvent) => void } = {},
): Promise<SaveReport> {
  const onEvent = options.onEvent as ((event: object) => void) | undefined;
  return runInEngine("merge", { ...config, version: packageVersion() }, { signal: options.signal, onEvent });
}

/** What this machine offers, with its kernels checked against the reference. */
export function doctor(config: DoctorConfigInput = {}): Promise<DoctorReport> {
  return runInEngine("doctor", { ...config, version: packageVersion() });
}

function packageVersion(): string {
  return (createRequire(import.meta.url)("remora/package.json") as { version: string }).version;
}

/** A loaded model that answers. */
export interface Session {
  /** As the user named it. */
  readonly model: string;
  readonly device: string;
  /** The template that rows go through. */
  readonly template: string;
  /**
   * Answers all requests, in the order given. Calls may overlap: requests join the running batch and leave it one by one.
   * @param options.onText receives each answer's text as it comes, by the request's index; with its tokens where `settings.logprobs` asks for them
   */
  generate(
    requests: readonly AskRequest[],
    options?: { onText?: (text: string, index: number, tokens?: TokenLogprob[]) => void; signal?: AbortSignal },
  ): Promise<AskAnswer[]>;
  /** What runs, waits and is held now. */
  stats(): Promise<SessionStats>;
  close(): Promise<void>;
}

/** Loads a model, with an adapter or without, in a worker of its own. */
export async function openModel(config: SessionConfigInput): Promise<Session> {
  const client = new EngineClient();
  let nextTicket = 1;
  try {
    const opened = await client.call<OpenedSession>("session-open", config);
    return {
      model: config.model,
      device: opened.device,
      template: opened.template,
      async generate(requests, { onText, signal } = {}) {
        const onEvent = (event: object) => {
          const { index, text, tokens } = event as { index: number; text: string; tokens?: TokenLogprob[] };
          onText?.(text, index, tokens);
        };
        const ticket = nextTicket++;
        const cancel = () => {
          // Alone, even a step in progress is stopped; beside others it is let finish.
          const isAlone = client.pendingCount === 1;
          client.call("session-cancel", { session: opened.session, ticket }).catch(() => {});
          if (isAlone) client.interrupt();
        };
        const answers = client.call<AskAnswer[]>("session-generate", { session: opened.session, ticket, requests }, { onEvent });
        signal?.addEventListener("abort", cancel, { once: true });
        if (signal?.aborted) cancel();
        return answers.finally(() => signal?.removeEventListener("abort", cancel));
      },
      stats: () => client.call("session-stats", { session: opened.session }),
      async close() {
        await client.call("session-close", { session: opened.session });
        await client.close();
      },
    };
  } catch (error) {
    await client.close();
    throw error;
  }
}
