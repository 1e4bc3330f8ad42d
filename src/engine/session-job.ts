/** Sessions of the worker by number: open, ask, close. */
import { openBackend } from "../backend/open-backend.ts";
import { parseConfig } from "../config/parse.ts";
import type { AskAnswer, AskRequest } from "../config/reports.ts";
import { type SessionConfigInput, sessionSchema } from "../config/schemas/generate.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { resolveAdapter } from "../hub/resolve-adapter.ts";
import { isCancelled, type JobHost } from "./job.ts";
import { openModelFiles } from "./model-files.ts";
import { AskSession } from "./session.ts";

const sessions = new Map<number, AskSession>();
let nextSession = 1;

export interface OpenedSession {
  readonly session: number;
  readonly device: string;
  readonly template: string;
}

export async function openSessionJob(input: SessionConfigInput, host: JobHost): Promise<OpenedSession> {
  const asked = parseConfig(sessionSchema, input, "Opening a model");
  const adapter = asked.adapter && (await resolveAdapter(asked.adapter, { offline: asked.offline, env: process.env }));
  const config = { ...asked, adapter };
  const files = await openModelFiles(config.model, config);
  const backend = await openBackend(config.device, { threads: config.threads, cancelFlag: host.cancelFlag });
  try {
    const session = await AskSession.open(files, backend, config, () => isCancelled(host));
    const id = nextSession++;
    sessions.set(id, session);
    return { session: id, device: session.device, template: session.templateName };
  } catch (error) {
    backend.dispose();
    throw error;
  }
}

/** Emits `{ event: "text-delta", index, text }` as answers come. */
export async function generateJob(input: { session: number; requests: AskRequest[] }, host: JobHost): Promise<AskAnswer[]> {
  const session = sessions.get(input.session);
  if (!session) throw new Error(`there is no open session ${input.session}`);
  const onText = (text: string, index: number) => host.emit({ event: "text-delta", index, text });
  try {
    return await session.generate(
      input.requests,
      onText,
      () => isCancelled(host),
      () => performance.now(),
    );
  } catch (error) {
    // Cancelled in the middle of a step: what was said so far has been sent; the session can go on.
    if (!CancelledError.isInstance(error) || (error as CancelledError).code !== "cancelled") throw error;
    session.forget();
    return input.requests.map(() => ({ text: "", finishReason: "cancelled", promptTokens: 0, tokens: 0, seconds: 0 }));
  }
}

export async function closeSessionJob(input: { session: number }): Promise<void> {
  sessions.get(input.session)?.dispose();
  sessions.delete(input.session);
}
