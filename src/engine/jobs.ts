/** Jobs by name; each module is loaded when its first job is called. */
import type { Job } from "./job.ts";

const JOBS: Readonly<Record<string, () => Promise<Job>>> = {
  train: async () => (await import("./train-job.ts")).trainJob,
  pretrain: async () => (await import("./pretrain-job.ts")).pretrainJob,
  plan: async () => (await import("./plan-job.ts")).planJob,
  doctor: async () => (await import("./doctor-job.ts")).doctorJob,
  merge: async () => (await import("./merge-job.ts")).mergeJob,
  "session-open": async () => (await import("./session-job.ts")).openSessionJob,
  "session-generate": async () => (await import("./session-job.ts")).generateJob,
  "session-cancel": async () => (await import("./session-job.ts")).cancelJob,
  "session-stats": async () => (await import("./session-job.ts")).statsJob,
  "session-close": async () => (await import("./session-job.ts")).closeSessionJob,
  "embedder-open": async () => (await import("./embedder-job.ts")).openEmbedderJob,
  "embedder-embed": async () => (await import("./embedder-job.ts")).embedJob,
  "embedder-count": async () => (await import("./embedder-job.ts")).countTokensJob,
  "embedder-close": async () => (await import("./embedder-job.ts")).closeEmbedderJob,
};

/** Jobs that do not wait for the ones before them. */
const BESIDE = new Set(["session-generate", "session-cancel", "session-stats"]);

export const runsBeside = (name: string): boolean => BESIDE.has(name);

export async function findJob(name: string): Promise<Job> {
  const load = JOBS[name];
  if (!load) throw new Error(`the engine has no job ${name}`);
  return load();
}
