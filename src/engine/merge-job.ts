/**
 * `merge`: open base and adapter, plan the save, write it aside, prove it, and only then give it its name.
 *
 * Writing runs on the CPU whatever the device: it is bound by the disk, and the encoders stand there. The proof runs where the user says.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openBackend } from "../backend/open-backend.ts";
import { parseConfig } from "../config/parse.ts";
import type { SaveEvent, SaveReport } from "../config/reports.ts";
import { type MergeConfig, type MergeConfigInput, mergeSchema } from "../config/schemas/merge.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { ConfigError } from "../errors/config-error.ts";
import { ProofError } from "../errors/proof-error.ts";
import { combineAdapters } from "../export/combine-adapters.ts";
import type { GgufSaveType } from "../export/gguf-types.ts";
import { MergedWeights } from "../export/merged-weights.ts";
import { scoredTokens } from "../export/proof/proof-rows.ts";
import { toleranceOf } from "../export/proof/tolerances.ts";
import { SaveFolder } from "../export/save-folder.ts";
import { largestTensorBytes, planSave, type SaveFormat } from "../export/write-save.ts";
import type { BaseFormat } from "../models/load-weights.ts";
import { Arena } from "../tensor/arena.ts";
import { isCancelled, type JobHost } from "./job.ts";
import { type MergeInputs, openMergeInputs } from "./merge-inputs.ts";
import { type MeasuredReference, measureReference, proveSave } from "./merge-proof.ts";
import { readProofRows } from "./merge-rows.ts";
import { openModelFiles, storedFormat } from "./model-files.ts";

export async function mergeJob(input: MergeConfigInput & { version: string }, host: JobHost): Promise<SaveReport> {
  const { version, ...asked } = input;
  const config = parseConfig(mergeSchema, asked, "Configuring remora merge");
  const [format, type = "q4_k_m"] = config.format.split(":") as [SaveFormat, GgufSaveType?];
  const folder = SaveFolder.check(config.out, config.force);
  const inputs = await openMergeInputs(config);
  const { files, template } = inputs;
  folder.refuseInputs([files.path, ...inputs.adapters.map(({ path }) => path)]);
  const adapter = combineAdapters(inputs.adapters, files.shape, files.name);
  refuseBase(config, inputs);
  const emit = (event: SaveEvent) => host.emit(event);
  const name = format === "gguf" ? type : format;

  const writer = await openBackend("cpu", { threads: config.threads, cancelFlag: host.cancelFlag });
  const prover = await openBackend(config.device, { threads: config.threads, cancelFlag: host.cancelFlag });
  try {
    const plan = (linears: BaseFormat) => {
      const weights = new MergedWeights(new Arena(writer), files.source, files.shape, adapter.parts, linears);
      const planned = planSave({
        format,
        type,
        weights,
        adapter,
        tokenizer: files.tokenizer,
        model: files.name,
        template,
        maxShardBytes: config.maxShardBytes,
        remora: version,
        onTensor(tensor, done, total) {
          if (isCancelled(host)) throw new CancelledError("Saving the model");
          emit({ event: "save-progress", tensor, done, total });
        },
      });
      return { weights, planned };
    };
    // What the format cannot hold is found before models are loaded.
    plan("file");
    const rows = await readProofRows(config, inputs, prover, host);
    emit({ event: "proof-start", data: rows.data, rows: rows.rows.length, tokens: scoredTokens(rows.rows) });
    // f32: what is measured is the save, not the rounding of activations.
    const compute = config.compute === "auto" ? "f32" : config.compute;
    const proofStartedAt = performance.now();
    const reference = await measureReference({ host, backend: prover, compute, base: files, adapter, trainedAs: inputs.trainedAs, rows });
    const measureSeconds = (performance.now() - proofStartedAt) / 1000;
    const mergeBase = chooseBase(config, inputs, reference, name);
    const { weights, planned } = plan(mergeBase.used === "trained" ? inputs.trainedAs : "file");
    await folder.begin(planned.bytes);
    try {
      const tensors = Object.values(planned.tensors).reduce((sum, count) => sum + count, 0);
      emit({ event: "save-start", format: config.format, out: config.out, tensors, bytes: planned.bytes });
      const startedAt = performance.now();
      await planned.write(folder.partial);
      const wroteAt = performance.now();
      const { peakBytes } = writer;
      const saved =
        format === "adapter"
          ? { name, files, adapter: combineAdapters([{ path: folder.partial, weight: 1 }], files.shape, files.name) }
          : { name, files: await openModelFiles(join(folder.partial, planned.opens), { offline: true }), adapter: undefined };
      const proof = await proveSave(reference, saved, template);
      const written = folder.files();
      const report: SaveReport = {
        remora: version,
        format,
        ...(format === "gguf" ? { type } : {}),
        out: config.out,
        base: {
          model: files.name,
          storedAs: storedFormat(files),
          trainedAs: inputs.trainedAs === "file" ? storedFormat(files) : inputs.trainedAs,
        },
        adapters: [...inputs.adapters],
        mergeBase,
        ...(template === undefined ? {} : { template }),
        files: written,
        bytes: written.reduce((sum, { bytes }) => sum + bytes, 0),
        tensors: planned.tensors,
        seconds: { write: (wroteAt - startedAt) / 1000, proof: measureSeconds + (performance.now() - wroteAt) / 1000 },
        peakMemoryBytes: peakBytes,
        largestTensorBytes: largestTensorBytes(weights),
        proof,
      };
      emit({ event: "save-end", report });
      if (!proof.passed) throw notProven(report);
      writeFileSync(join(folder.partial, "save-report.json"), `${JSON.stringify(report, null, 2)}\n`);
      await folder.commit();
      return report;
    } catch (error) {
      await folder.abandon();
      throw error;
    }
  } finally {
    writer.dispose();
    prover.dispose();
  }
}

const isDense = (stored: string): boolean => ["f32", "bf16", "f16"].includes(stored);
/** Weights of a file that are far finer than the 4 bits that training saw. Added to those 4 bits, most of an adapter would be rounded away with them. */
const isFiner = (stored: string, trainedAs: string): boolean => isDense(stored) || (stored === "q8_0" && trainedAs === "nf4");

/** @throws ConfigError when the user asks for a base that is not at hand */
function refuseBase({ mergeBase }: MergeConfig, { files }: MergeInputs): void {
  const stored = storedFormat(files);
  if (mergeBase !== "original" || isDense(stored)) return;
  const problem = `expected trained, because ${files.name} holds ${stored} only and the original weights are not at hand`;
  throw new ConfigError("Configuring remora merge", [{ path: "mergeBase", problem }], "Name the original 16-bit model with --model.");
}

/**
 * `auto` takes the original weights (or a file's 8-bit ones, after training in 4 bits) where they are at hand and the adapter still answers the same
 * on them. The save's own rounding needs some of the tolerance, so half of it may be used up here.
 */
function chooseBase(
  { mergeBase, format }: MergeConfig,
  { files, trainedAs, adapters }: MergeInputs,
  { mergeBases, hasLearnt }: MeasuredReference,
  name: string,
): SaveReport["mergeBase"] {
  const stored = storedFormat(files);
  if (format === "adapter" || adapters.length === 0) return { used: "original", reason: "nothing is merged" };
  if (mergeBase !== "auto") return { used: mergeBase, reason: "asked for" };
  if (!isFiner(stored, trainedAs)) return { used: "trained", reason: `${stored} weights are all there is of the base` };
  if (trainedAs === "file") return { used: "original", reason: "they are what training saw" };
  const { measure, value } = toleranceOf(name, hasLearnt);
  const { retained } = mergeBases.original;
  const percent = `${(100 * (retained ?? 1)).toFixed(1)}%`;
  const enough = measure === "kl" || (retained ?? 1) >= (1 + value) / 2;
  return enough
    ? { used: "original", reason: `${stored} weights are at hand and keep ${percent}; training saw them in ${trainedAs}` }
    : { used: "trained", reason: `training saw ${trainedAs}; on the ${stored} weights the adapter keeps only ${percent}` };
}

function notProven(report: SaveReport): ProofError {
  const { proof, format } = report;
  const failed = proof.checks.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);
  const { measure, value } = proof.required;
  const found = measure === "retained" ? proof.saved.retained : proof.saved.kl;
  const problem =
    failed.length > 0
      ? failed.join("\n")
      : `expected ${measure === "retained" ? `at least ${value} of what was learnt to be retained` : `a mean KL of at most ${value}`}, found ${found?.toFixed(4)}`;
  const next =
    format === "adapter" || failed.length > 0
      ? "Nothing has been saved."
      : "Nothing has been saved. What holds: the adapter beside its base, as it was trained (--format adapter; for asking, --base nf4 with --adapter), or a larger --format.";
  return new ProofError(report.out, problem, next, JSON.stringify(report));
}
