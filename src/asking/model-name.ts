/**
 * How models are named:
 *
 *   ./folder, owner/name, remora-tiny, local:./folder?adapter=./run/adapter&base=nf4     through remora's own engine
 *   openai-compatible:http://host:port/v1#model                                        any server that speaks OpenAI's words
 *   openai:name, mistral:name, cohere:name                                             hosted; the key comes from the environment
 */
import { ConfigError } from "../errors/config-error.ts";

const REMOTE_PROVIDERS = ["openai-compatible", "openai", "mistral", "cohere"] as const;
export type RemoteProvider = (typeof REMOTE_PROVIDERS)[number];

export type ModelName =
  | { readonly kind: "local"; readonly model: string; readonly options: Readonly<Record<string, string>> }
  | { readonly kind: "remote"; readonly provider: RemoteProvider; readonly model: string; readonly baseURL?: string };

/** Loading options that a name may carry. */
const LOCAL_OPTIONS = ["adapter", "base", "compute", "template", "contextLength", "device"];

/** @throws ConfigError */
export function parseModelName(name: string): ModelName {
  const provider = REMOTE_PROVIDERS.find((candidate) => name.startsWith(`${candidate}:`));
  if (!provider) return parseLocal(name, name.startsWith("local:") ? name.slice("local:".length) : name);
  const rest = name.slice(provider.length + 1);
  if (provider !== "openai-compatible") {
    if (rest === "") throw refuse(name, `${provider}: and a model's name`);
    return { kind: "remote", provider, model: rest };
  }
  const at = rest.indexOf("#");
  const address = at < 0 ? rest : rest.slice(0, at);
  const model = at < 0 ? "" : rest.slice(at + 1);
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || model === "") throw refuse(name, "openai-compatible:http://host:port/v1#model");
  if (url.username || url.password) throw refuse("openai-compatible:…", "an address without a password: keys come from the environment");
  return { kind: "remote", provider, model, baseURL: address.replace(/\/$/, "") };
}

function parseLocal(name: string, rest: string): ModelName {
  const at = rest.indexOf("?");
  const model = at < 0 ? rest : rest.slice(0, at);
  const options = Object.fromEntries(new URLSearchParams(at < 0 ? "" : rest.slice(at + 1)));
  const unknown = Object.keys(options).filter((key) => !LOCAL_OPTIONS.includes(key));
  if (model === "" || unknown.length > 0) throw refuse(name, `local:folder, with none but ${LOCAL_OPTIONS.join(", ")} behind the ?`);
  return { kind: "local", model, options };
}

const refuse = (name: string, expected: string) =>
  new ConfigError("Naming a model", [{ path: "model", problem: `expected ${expected}, found ${JSON.stringify(name)}` }]);
