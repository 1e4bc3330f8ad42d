/**
 * Answers on disk, one file each, named by the hash of everything that an answer depends on: the model's fingerprint, the request, its settings
 * and seed. A stopped comparison goes on from them. Only whole answers are kept; a file that cannot be read is an answer that is not there.
 */
import { createHash, randomUUID } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AskAnswer, AskRequest } from "../config/reports.ts";
import { makeFolder } from "../formats/make-folder.ts";
import type { NamedModel } from "./named-model.ts";

/** Raised when the same key would mean another answer. */
const VERSION = 1;

export function withCache(model: NamedModel, folder: string): NamedModel {
  return {
    ...model,
    async ask(request, options = {}) {
      const path = join(folder, `${keyOf(model, request)}.json`);
      const cached = read(path);
      if (cached) {
        options.onText?.(cached.text);
        return cached;
      }
      const answer = await model.ask(request, options);
      if (answer.finishReason !== "cancelled") write(folder, path, answer);
      return answer;
    },
  };
}

function keyOf(model: NamedModel, request: AskRequest): string {
  return createHash("sha256")
    .update(stable([VERSION, model.fingerprint, request]))
    .digest("hex");
}

/** JSON with keys in order: two requests that say the same have one key. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

function read(path: string): AskAnswer | undefined {
  try {
    const answer = JSON.parse(readFileSync(path, "utf8")) as AskAnswer;
    return typeof answer.text === "string" && typeof answer.finishReason === "string" ? answer : undefined;
  } catch {
    return undefined;
  }
}

function write(folder: string, path: string, answer: AskAnswer): void {
  makeFolder(folder, "Writing");
  const aside = `${path}.${randomUUID()}`;
  writeFileSync(aside, JSON.stringify(answer));
  renameSync(aside, path);
}
