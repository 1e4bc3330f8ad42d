/**
 * Which Hub, as whom, and how patiently: what every request starts from. Read from the variables that Python's huggingface_hub honours:
 * HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_OFFLINE.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HubUnavailableError } from "../../errors/hub-unavailable-error.ts";
import { UsageError } from "../../errors/usage-error.ts";
import { type Environment, expandHome, huggingFaceHome } from "../hub-cache.ts";
import { Secret } from "./secret.ts";

export const DEFAULT_ENDPOINT = "https://huggingface.co";

export interface HubConnection {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly token: Secret | undefined;
  /** Requests per action before giving up, the first included. */
  readonly attempts: number;
  /** Waits, or throws when the signal aborts. Tests hand in one that does not wait. */
  pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void>;
  readonly signal: AbortSignal | undefined;
}

export interface ConnectOptions {
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
  readonly attempts?: number;
  readonly pause?: HubConnection["pause"];
}

/** @throws HubUnavailableError when the network may not be used; UsageError for a bad endpoint */
export function connectHub(doing: string, env: Environment, options: ConnectOptions = {}): HubConnection {
  if (options.offline || isOffline(env)) {
    const why = options.offline ? "--offline was given" : "HF_HUB_OFFLINE is set";
    throw new HubUnavailableError(doing, 0, `this needs the network, and ${why}`, "Run it again where the network may be used.");
  }
  return {
    endpoint: readEndpoint(env),
    token: readToken(env),
    attempts: options.attempts ?? 6,
    pause: options.pause ?? ((milliseconds, signal) => sleep(milliseconds, undefined, { signal })),
    signal: options.signal,
  };
}

export const isOffline = (env: Environment): boolean => /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE ?? "");

function readEndpoint(env: Environment): string {
  const text = (env.HF_ENDPOINT || DEFAULT_ENDPOINT).replace(/\/+$/, "");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && (url.protocol === "https:" || url.protocol === "http:") && !url.username && !url.password) return text;
  // The value may hold a password, so it is not shown.
  throw new UsageError("Reading HF_ENDPOINT", "expected an http or https address without a user name", `For one: ${DEFAULT_ENDPOINT}`);
}

/** HF_TOKEN, else the file that `hf auth login` writes. */
export function readToken(env: Environment): Secret | undefined {
  const value = clean(env.HF_TOKEN) ?? clean(env.HUGGING_FACE_HUB_TOKEN) ?? clean(readIfThere(tokenFile(env)));
  return value === undefined ? undefined : new Secret(value);
}

function tokenFile(env: Environment): string {
  return env.HF_TOKEN_PATH ? expandHome(env.HF_TOKEN_PATH, env) : join(huggingFaceHome(env), "token");
}

/** A header cannot hold line ends; a pasted token often has one. */
function clean(text: string | undefined): string | undefined {
  const token = text?.replace(/[\r\n]/g, "").trim();
  return token ? token : undefined;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // no file, or none of ours: the user is not signed in
  }
}
