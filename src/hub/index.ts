/** The Hub as functions: `push()` and `pull()`. Both take what a config file says, and report what they did. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseConfig } from "../config/parse.ts";
import { type PullConfigInput, type PushConfigInput, pullSchema, pushSchema } from "../config/schemas/hub.ts";
import { ConfigError } from "../errors/config-error.ts";
import { ModelNotFoundError } from "../errors/model-not-found-error.ts";
import { PushFolderError } from "../errors/push-folder-error.ts";
import { readJsonObject } from "../formats/json-file.ts";
import { publicName } from "./card/run-facts.ts";
import { writeCard } from "./card/write-card.ts";
import { connectHub } from "./client/hub-connection.ts";
import { repositoryName } from "./client/repository.ts";
import { ensureSnapshot } from "./ensure-snapshot.ts";
import type { PullReport, PushReport, TransferEvent } from "./events.ts";
import { type Environment, expandHome, hubCacheFolder, huggingFaceHome } from "./hub-cache.ts";
import { type HubReference, parseModelReference } from "./model-reference.ts";
import { chooseModelFiles } from "./pull/choose-files.ts";
import { pullRepository } from "./pull/pull-repository.ts";
import { pushFolder } from "./push/push-folder.ts";

export interface TransferOptions {
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TransferEvent) => void;
  /** HF_TOKEN, HF_HOME, HF_ENDPOINT … @default the process's own */
  readonly env?: Environment;
}

/**
 * Publishes a folder: makes the repository when it is not there, writes a model card where there is none, sends what differs.
 * Interrupted anywhere, the same call completes it.
 * @throws PushFolderError · HubRefusedError · HubUnavailableError · CancelledError
 */
export async function push(input: PushConfigInput, { signal, onEvent, env = process.env }: TransferOptions = {}): Promise<PushReport> {
  const config = parseConfig(pushSchema, input, "Configuring remora push");
  const { owner, name, revision } = repositoryOf("push", config.repository);
  if (revision !== undefined) throw badRepository("push", config.repository, "Name the branch with --revision.");
  const given = expandHome(config.folder, env);
  const folder = publishedFolder(given);
  const repository = { type: config.type, owner, name };
  const hub = connectHub(`Publishing to ${repositoryName(repository)}`, env, { signal });
  if (config.type === "model" && (config.card || looksLikeModel(folder))) {
    await writeCard({
      folder,
      repository: repositoryName(repository),
      run: config.run ?? (given === folder ? undefined : given),
      replace: config.card,
      env,
    });
  }
  const report = await pushFolder(hub, {
    folder,
    repository,
    private: config.private,
    revision: config.revision,
    message: config.message ?? `Upload ${existsSync(join(folder, "adapter_config.json")) ? "adapter" : config.type} with remora`,
    delete: config.delete,
    notesFolder: join(huggingFaceHome(env), "remora", "uploads"),
    onEvent,
  });
  return { ...report, warnings: warningsAbout(folder) };
}

/**
 * Fetches a repository into the Hugging Face cache, or finds it there. Interrupted anywhere, the same call completes it.
 * @throws HubRefusedError · HubUnavailableError · HubIntegrityError · FileAccessError · CancelledError
 */
export async function pull(input: PullConfigInput, { signal, onEvent, env = process.env }: TransferOptions = {}): Promise<PullReport> {
  const config = parseConfig(pullSchema, input, "Configuring remora pull");
  const dataset = /^hf:\/\/datasets\/(?=[^/]+\/)/.test(config.repository);
  const { owner, name, revision, file } = repositoryOf("pull", config.repository.replace(/^hf:\/\/datasets\/(?=[^/]+\/)/, "hf://"));
  const repository = { type: dataset ? ("dataset" as const) : config.type, owner, name };
  const doing = `Choosing the files of ${owner}/${name}`;
  const cache = hubCacheFolder(env);
  const choose =
    repository.type === "model"
      ? (files: Parameters<typeof chooseModelFiles>[0]) => chooseModelFiles(files, { doing, file, all: config.all })
      : undefined;
  if (config.offline) {
    const refuse = (problem: string, next: string) => new ModelNotFoundError(config.repository, problem, next);
    const options = { offline: true, env };
    const found = await ensureSnapshot({
      repository,
      revision,
      choose: (files) => ({ wanted: files, skipped: [] }),
      problemOf: () => undefined,
      refuse,
      options,
    });
    return {
      repository: `${owner}/${name}`,
      revision: revision ?? "main",
      ...found,
      files: 0,
      bytes: 0,
      receivedBytes: 0,
      reused: 0,
      skipped: [],
      seconds: 0,
    };
  }
  const hub = connectHub(`Downloading ${owner}/${name}`, env, { signal });
  return pullRepository(hub, { cache, repository, revision, choose, onEvent });
}

function repositoryOf(command: string, text: string): HubReference {
  const reference = parseModelReference(text.startsWith("hf://") ? text : `hf://${text}`);
  if (reference.kind === "hub") return reference;
  throw badRepository(command, text, "Write it as on the Hub: owner/name.");
}

function badRepository(command: string, text: string, next: string): ConfigError {
  const problem = `expected owner/name, found ${JSON.stringify(text)}`;
  return new ConfigError(`Configuring remora ${command}`, [{ path: "repository", problem }], next);
}

/** An adapter whose base only this machine has is of no use to anybody else. */
function warningsAbout(folder: string): string[] {
  const path = join(folder, "adapter_config.json");
  const base = existsSync(path) ? readJsonObject(path).base_model_name_or_path : undefined;
  if (typeof base !== "string" || publicName(base).onHub) return [];
  return [
    `adapter_config.json names its base ${JSON.stringify(base)}, which others cannot load: publish the base, or name it as owner/name there`,
  ];
}

/** A card about a folder of something else would be wrong. */
function looksLikeModel(folder: string): boolean {
  return (
    existsSync(folder) &&
    readdirSync(folder).some((name) => name === "config.json" || name === "adapter_config.json" || name.endsWith(".gguf"))
  );
}

/** A run's folder holds what it made in `adapter/` or `model/`; checkpoints and events are nobody else's. */
function publishedFolder(folder: string): string {
  if (!existsSync(join(folder, "metrics.jsonl"))) return folder;
  const made = ["adapter", "model"].map((name) => join(folder, name)).find((path) => existsSync(path));
  if (made) return made;
  throw new PushFolderError(
    folder,
    "it is a run that has saved nothing yet",
    "Let it finish (`remora train … --resume`), then publish it.",
  );
}
