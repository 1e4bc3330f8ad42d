/**
 * Writing a save takes at most 1.2 times the largest tensor in memory, whatever the model's size: measured on a process of its own, as the most that
 * was ever resident less what was resident before, and mapped files count. (The proof after it needs memory for the model.)
 */
import { execFile } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeTinyModel } from "../cli/testing/tiny-model.ts";
import { encodeSafetensorsHeader, entryBytes } from "../formats/safetensors-writer.ts";
import { decoderParameters } from "../models/decoder-parameters.ts";
import { readDecoderShape } from "../models/registry.ts";

const CHILD = fileURLToPath(new URL("./testing/save-memory.ts", import.meta.url));
/** Three matrices of 128 MiB in one file of 384. */
const SIZES = { hidden_size: 512, intermediate_size: 131_072, num_hidden_layers: 1 };

let folder: string;
let model: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "remora-save-memory-"));
  model = await writeTinyModel(join(folder, "model"));
  const config = { ...JSON.parse(readFileSync(join(model, "config.json"), "utf8")), ...SIZES };
  writeFileSync(join(model, "config.json"), JSON.stringify(config));
  const parameters = decoderParameters(readDecoderShape(config, model));
  const entries = parameters.map(({ path, shape }) => ({ name: path, dtype: "BF16" as const, shape }));
  const header = encodeSafetensorsHeader(entries, { format: "pt" });
  const file = openSync(join(model, "model.safetensors"), "w");
  writeSync(file, header);
  // Zeros that take no room on the disk, and as much memory as any other numbers once they are read.
  ftruncateSync(
    file,
    entries.reduce((sum, entry) => sum + entryBytes(entry), header.length),
  );
  closeSync(file);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Measured {
  readonly name: string;
  readonly baseline: number;
  readonly peak: number;
  readonly largest: number;
}

async function measure(...formats: string[]): Promise<Measured[]> {
  const words = ["--import", "tsx", CHILD, model, join(folder, "out"), ...formats];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Measured);
}

const taken = ({ baseline, peak, largest }: Measured): number => (peak - baseline) / largest;

test("16 bits, NF4 and GGUF, with an adapter on every linear, on the file's weights and on those that a QLoRA run saw", async () => {
  const formats = ["16bit", "nf4", "gguf:q4_k_m", "16bit@nf4"];
  const measured = await measure(...formats);
  expect(measured.map(({ name }) => name)).toEqual(formats);
  for (const each of measured) {
    expect(each.largest).toBe(2 * SIZES.hidden_size * SIZES.intermediate_size);
    expect(taken(each), each.name).toBeLessThan(1.2);
  }
});

test("the measure sees a shard that is loaded whole", async () => {
  const [whole] = await measure("whole-shard");
  expect(taken(whole!)).toBeGreaterThan(2);
});
