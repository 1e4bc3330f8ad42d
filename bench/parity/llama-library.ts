/**
 * llama.cpp's own quantizer, from the libraries that node-llama-cpp brings: what node-llama-cpp does not expose is called in them directly.
 * `undefined` with a reason where they are not installed, so that tests say why they skip.
 */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import koffi from "koffi";

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, "node_modules", "@node-llama-cpp", "linux-x64", "bins", "linux-x64");

export const INSTALL =
  "node-llama-cpp is not installed: npm --prefix bench/parity install --omit=optional --ignore-scripts --no-package-lock (Linux x64)";

export const isInstalled = (): boolean =>
  existsSync(join(folder, "libggml-base.so")) && existsSync(join(here, "node_modules", "node-llama-cpp"));

/** `ggml_type` and `llama_ftype` numbers stand in our own tables; here are only the functions. */
export interface LlamaLibrary {
  /** f32 rows → blocks of a ggml type, without an importance matrix. */
  quantizeRows(type: number, values: Float32Array, rows: number, bytes: number): Uint8Array;
  /** A whole GGUF file → another, as the program `llama-quantize` does it. */
  quantizeFile(from: string, to: string, fileType: number, threads: number): void;
}

let opened: LlamaLibrary | undefined;

export function openLlamaLibrary(): LlamaLibrary {
  opened ??= load();
  return opened;
}

function load(): LlamaLibrary {
  // By dependency: each finds the ones before it among the libraries already loaded.
  const open = (prefix: string) => koffi.load(join(folder, readdirSync(folder).find((name) => name.startsWith(prefix))!), { global: true });
  const base = open("libggml-base.so");
  open("libggml-cpu-x64.so");
  open("libggml.");
  const llama = open("libllama.");
  const quantizeChunk = base.func(
    "size_t ggml_quantize_chunk(int type, const float *src, _Out_ uint8_t *dst, int64_t start, int64_t rows, int64_t columns, const float *imatrix)",
  );
  // Only the first two fields are set; the rest is as long as any version's and keeps the library's defaults.
  koffi.struct("llama_quantize_parameters", { nthread: "int32_t", ftype: "int32_t", rest: koffi.array("uint8_t", 120) });
  const defaults = llama.func("llama_quantize_parameters llama_model_quantize_default_params()");
  const quantize = llama.func("uint32_t llama_model_quantize(const char *from, const char *to, llama_quantize_parameters *parameters)");
  const log = koffi.proto("void llama_log_line(int level, const char *text, void *data)");
  // node-llama-cpp prints what llama.cpp says; a quantizer's page of lines has no place in a test's output.
  const quiet = koffi.register(() => {}, koffi.pointer(log));
  llama.func("void llama_log_set(llama_log_line *callback, void *data)")(quiet, null);
  return {
    quantizeRows(type, values, rows, bytes) {
      const out = new Uint8Array(bytes);
      const written = quantizeChunk(type, values, out, 0, rows, values.length / rows, null);
      if (written !== bytes) throw new Error(`ggml wrote ${written} bytes, expected ${bytes}`);
      return out;
    },
    quantizeFile(from, to, fileType, threads) {
      const parameters = defaults();
      parameters.nthread = threads;
      parameters.ftype = fileType;
      const status = quantize(from, to, parameters);
      if (status !== 0) throw new Error(`llama_model_quantize ended with ${status}`);
    },
  };
}
