/** Sessions of the worker by number: open, ask, close. */
import { openBackend } from "../backend/open-backend.ts";
import { parseConfig } from "../config/parse.ts";
import type { AskAnswer, AskRequest, SessionStats } from "../config/reports.ts";
import { type SessionConfigInput, sessionSchema } from "../config/schemas/generate.ts";
import { resolveAdapter } from "../hub/resolve-adapter.ts";
import { isCancelled, type JobHost, resetCancel } from "./job.ts";
import { openModelFiles } from "./model-files.ts";
import { AskSession, type OnText } from "./session.ts";

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
    const session = await AskSession.open(files, backend, config, {
      isCancelled: () => isCancelled(host),
      goOn: () => resetCancel(host),
    });
    const id = nextSession++;
    sessions.set(id, session);
    return { session: id, device: session.device, template: session.templateName };
  } catch (error) {
    backend.dispose();
    throw error;
  }
}

/** Calls in progress by session and ticket, each with whether it was cancelled: its answers then end between two steps. */
const calls = new Map<string, { isCancelled: boolean }>();
const ticketOf = ({ session, ticket }: { session: number; ticket: number }) => `${session}:${ticket}`;

export interface GenerateInput {
  session: number;
  /** The caller's number for this call, for cancelling. */
  ticket: number;
  requests: AskRequest[];
}

/** Emits `{ event: "text-delta", index, text, tokens }` as answers come. */
export async function generateJob(input: GenerateInput, host: JobHost): Promise<AskAnswer[]> {
  const session = findSession(input.session);
  const onText: OnText = (text, index, tokens) => host.emit({ event: "text-delta", index, text, tokens });
  const ticket = ticketOf(input);
  const call = { isCancelled: false };
  calls.set(ticket, call);
  try {
    return await session.generate(
      input.requests,
      onText,
      () => call.isCancelled,
      () => performance.now(),
    );
  } finally {
    calls.delete(ticket);
  }
}

export async function cancelJob(input: { session: number; ticket: number }): Promise<void> {
  const call = calls.get(ticketOf(input));
  if (call) call.isCancelled = true;
}

export async function statsJob(input: { session: number }): Promise<SessionStats> {
  return findSession(input.session).stats();
}

export async function closeSessionJob(input: { session: number }): Promise<void> {
  const session = sessions.get(input.session);
  sessions.delete(input.session);
  await session?.dispose();
}

function findSession(id: number): AskSession {
  const session = sessions.get(id);
  if (!session) throw new Error(`there is no open session ${id}`);
  return session;
}
