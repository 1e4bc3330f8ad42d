/** Encoders of the worker by number: open, make vectors, count tokens, close. */
import { openBackend } from "../backend/open-backend.ts";
import { parseConfig } from "../config/parse.ts";
import { type EmbedderConfigInput, embedderSchema } from "../config/schemas/retrieval.ts";
import { resolveModel } from "../hub/resolve-model.ts";
import { openEncoderSource } from "../models/encoder-source.ts";
import type { TextRole } from "../retrieval/embedder.ts";
import { EncoderSession } from "./encoder-session.ts";
import { isCancelled, type JobHost, resetCancel } from "./job.ts";

const sessions = new Map<number, EncoderSession>();
let nextSession = 1;

export interface OpenedEmbedder {
  readonly session: number;
  readonly device: string;
  readonly dimensions: number;
  readonly maxTokens: number;
}

export async function openEmbedderJob(input: EmbedderConfigInput, host: JobHost): Promise<OpenedEmbedder> {
  const config = parseConfig(embedderSchema, input, "Opening an encoder");
  const { path } = await resolveModel(config.model, { offline: config.offline, env: process.env });
  const source = openEncoderSource(path);
  const backend = await openBackend(config.device, { threads: config.threads, cancelFlag: host.cancelFlag });
  try {
    const session = await EncoderSession.open(source, backend, config);
    const id = nextSession++;
    sessions.set(id, session);
    return { session: id, device: backend.device.name, dimensions: session.dimensions, maxTokens: session.maxTokens };
  } catch (error) {
    backend.dispose();
    throw error;
  }
}

export async function embedJob(input: { session: number; texts: string[]; role: TextRole }, host: JobHost) {
  try {
    return await find(input.session).embed(input.texts, input.role, () => isCancelled(host));
  } finally {
    if (isCancelled(host)) resetCancel(host);
  }
}

export async function countTokensJob(input: { session: number; texts: string[] }): Promise<number[]> {
  return find(input.session).countTokens(input.texts);
}

export async function closeEmbedderJob(input: { session: number }): Promise<void> {
  sessions.get(input.session)?.dispose();
  sessions.delete(input.session);
}

function find(id: number): EncoderSession {
  const session = sessions.get(id);
  if (!session) throw new Error(`there is no open encoder ${id}`);
  return session;
}
