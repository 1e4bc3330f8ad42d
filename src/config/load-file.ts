/**
 * `--config file`: YAML, JSON, TypeScript or JavaScript, read into a plain object that the schema then checks.
 *
 * TypeScript and JavaScript files run through jiti, because Node 20 cannot load TypeScript; their `import … from "remora"` is answered by
 * this copy of remora, so a config also works beside an `npx remora`. Paths inside a config are as written: relative to the working folder.
 */
import { existsSync, readFileSync } from "node:fs";
import { extname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ConfigFileError } from "../errors/config-file-error.ts";
import type { PlainConfig } from "./merge.ts";

/** A config larger than this is another kind of file. */
const MAX_CONFIG_BYTES = 1 << 20;

/** @throws ConfigFileError when the file is missing, malformed, or does not hold an object */
export async function loadConfigFile(path: string): Promise<PlainConfig> {
  if (!existsSync(path))
    throw new ConfigFileError(path, "expected a file, found nothing there", { next: "Check the path given to --config." });
  const kind = extname(path).toLowerCase();
  const value = await readers(kind, path);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const found = value === undefined || value === null ? "nothing" : Array.isArray(value) ? "a list" : `a ${typeof value}`;
    throw new ConfigFileError(path, `expected an object of options, found ${found}`, {
      next: [".ts", ".js", ".mjs", ".mts"].includes(kind)
        ? "Write `export default defineConfig({ ... })`."
        : "Write options as `name: value`.",
    });
  }
  return value as PlainConfig;
}

async function readers(kind: string, path: string): Promise<unknown> {
  switch (kind) {
    case ".json":
      return parseText(path, (text) => JSON.parse(text));
    case ".yaml":
    case ".yml": {
      const { parse } = await import("yaml");
      return parseText(path, (text) => parse(text, { prettyErrors: true }));
    }
    case ".ts":
    case ".mts":
    case ".js":
    case ".mjs":
    case ".cjs":
      return runModule(path);
    default:
      throw new ConfigFileError(path, `expected .yaml, .yml, .json, .ts or .js, found ${kind || "no extension"}`);
  }
}

function parseText(path: string, parse: (text: string) => unknown): unknown {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > MAX_CONFIG_BYTES) throw new Error(`expected at most ${MAX_CONFIG_BYTES} bytes, found ${bytes.length}`);
    return parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ConfigFileError(path, firstLine(cause), { cause, next: "Correct the file and run the command again." });
  }
}

async function runModule(path: string): Promise<unknown> {
  const { createJiti } = await import("jiti");
  const here = import.meta.url;
  const own = fileURLToPath(new URL(here.endsWith(".ts") ? "./define-config.ts" : "./define-config.js", here));
  const jiti = createJiti(pathToFileURL(resolve("./")).href, { alias: { remora: own }, moduleCache: false, fsCache: false });
  try {
    return await jiti.import(resolve(path), { default: true });
  } catch (cause) {
    throw new ConfigFileError(path, firstLine(cause), { cause, next: "The file must run by itself and export a config by default." });
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}
