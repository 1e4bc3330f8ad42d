/** Small JSON files beside the weights: `config.json`, the shard index, `adapter_config.json`. */
import { FileFormatError } from "../errors/file-format-error.ts";
import { FileBytes } from "./file-bytes.ts";
import { describeValue, isObject, parseUntrustedJson } from "./untrusted-json.ts";

/** A shard index of a 700B model takes 10 MB; tokenizers (up to 40 MB) are read elsewhere. */
const MAX_JSON_BYTES = 64_000_000;

/** The object in a JSON file. @throws FileFormatError · FileAccessError */
export function readJsonObject(path: string): Record<string, unknown> {
  using file = new FileBytes(path);
  if (file.byteLength > MAX_JSON_BYTES) {
    throw new FileFormatError({ format: "JSON", path, expected: `at most ${MAX_JSON_BYTES} bytes`, found: `${file.byteLength}` });
  }
  let value: unknown;
  try {
    value = parseUntrustedJson(file.read(0, file.byteLength));
  } catch (cause) {
    throw new FileFormatError({
      format: "JSON",
      path,
      expected: "JSON in UTF-8",
      found: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
  if (!isObject(value)) throw new FileFormatError({ format: "JSON", path, expected: "an object", found: describeValue(value) });
  return value;
}
