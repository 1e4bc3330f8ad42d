/**
 * The proof of a save: its files are opened by a fresh loader and compared with base + adapter in memory, row by row.
 *
 * Models are loaded one after the other; only their last hidden rows stay, and logits are made side by side a few rows at a time. So a proof
 * needs memory for one model.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ActivationDType, Backend } from "../backend/backend.ts";
import type { SaveProof } from "../config/reports.ts";
import { CancelledError } from "../errors/cancelled-error.ts";
import { attachCombined } from "../export/attach-combined.ts";
import type { CombinedAdapter } from "../export/combine-adapters.ts";
import { Comparison, NOTHING_LEARNT, retained } from "../export/proof/divergence.ts";
import { hiddenRows, loadHead, logitsOf } from "../export/proof/hidden-rows.ts";
import type { ProofRow } from "../export/proof/proof-rows.ts";
import { type RenderedSide, renderingChecks } from "../export/proof/rendering-checks.ts";
import { holds, toleranceOf } from "../export/proof/tolerances.ts";
import type { CausalLM } from "../models/causal-lm.ts";
import { loadModel } from "../models/load-model.ts";
import type { BaseFormat } from "../models/load-weights.ts";
import { Arena } from "../tensor/arena.ts";
import { isCancelled, type JobHost } from "./job.ts";
import type { ProofRows } from "./merge-rows.ts";
import type { ModelFiles } from "./model-files.ts";

/** Logits of this many values exist at once, for each of the models compared. */
const LOGIT_VALUES = 2 ** 22;

/** What saves are compared with: the tuned model and its base, asked once. */
export interface ProofReference {
  readonly host: JobHost;
  readonly backend: Backend;
  readonly compute: ActivationDType;
  readonly base: ModelFiles;
  readonly adapter: CombinedAdapter;
  readonly trainedAs: BaseFormat;
  readonly rows: ProofRows;
}

interface HiddenRows {
  readonly tuned: Float32Array;
  readonly base: Float32Array;
  /** Original weights + adapter, where training saw them in another form. */
  readonly original: Float32Array | undefined;
}

export interface MeasuredReference extends ProofReference {
  readonly hidden: HiddenRows;
  readonly mergeBases: SaveProof["mergeBases"];
  /** Tuning changed something that a save could lose. */
  readonly hasLearnt: boolean;
}

/** Asks tuned model, base, and the original weights with the adapter, all in memory. */
export async function measureReference(reference: ProofReference): Promise<MeasuredReference> {
  const { adapter, trainedAs, base, rows } = reference;
  const inMemory = await ask(reference, base, trainedAs, adapter, async (model) => {
    const tuned = await hiddenRows(model, rows.rows);
    // Detached, not switched off: what is asked without it must not know of it.
    model.detachLora();
    return { tuned, base: adapter.parts.length > 0 ? await hiddenRows(model, rows.rows) : tuned };
  });
  const original = trainedAs === "file" ? undefined : await ask(reference, base, "file", adapter, (model) => hiddenRows(model, rows.rows));
  const hidden = { ...inMemory, original };
  const comparison = await compareLogits(reference, hidden, original && { files: base, hidden: original });
  const gained = comparison.base.mean;
  // Tuning against the base as it was trained is what "tuned" means, so that way is exact; the other is measured.
  const exact = { kl: 0, retained: retained(0, gained) };
  const measured = original ? { kl: comparison.saved.mean, retained: retained(comparison.saved.mean, gained) } : exact;
  const hasLearnt = gained >= NOTHING_LEARNT && adapter.parts.length > 0;
  return { ...reference, hidden, mergeBases: { trained: exact, original: measured }, hasLearnt };
}

export interface SavedModel {
  /** Opened from what was written. An adapter is saved without a base: then this is the base again, and `adapter` what was read back. */
  readonly files: ModelFiles;
  readonly adapter: CombinedAdapter | undefined;
  /** Of the tolerance: `nf4`, `q4_k_m` … */
  readonly name: string;
}

export async function proveSave(reference: MeasuredReference, saved: SavedModel, template: string | undefined): Promise<SaveProof> {
  const { base, trainedAs, backend, compute, mergeBases, hasLearnt } = reference;
  const { rows, data } = reference.rows;
  const { files, adapter, name } = saved;
  const hidden = await ask(reference, files, adapter ? trainedAs : "file", adapter, (model) => hiddenRows(model, rows));
  const comparison = await compareLogits(reference, reference.hidden, { files, hidden });
  const closeness = comparison.saved.closeness(comparison.base.mean);
  const required = toleranceOf(name, hasLearnt);
  const texts = rows.map(({ ids }) => base.tokenizer.decode(ids));
  const checks = renderingChecks(sideOf(base, base), sideOf(files, base), template, texts);
  return {
    data,
    rows: rows.length,
    tokens: comparison.tops.length,
    device: backend.device.name,
    compute,
    saved: closeness,
    tuned: { perplexity: comparison.tuned.perplexity },
    base: { kl: comparison.base.mean, perplexity: comparison.base.perplexity },
    mergeBases,
    required,
    checks,
    worst: worstRow(rows, comparison, base),
    passed: holds(required, closeness) && checks.every(({ ok }) => ok),
  };
}

async function ask<T>(
  { host, backend, compute }: ProofReference,
  files: ModelFiles,
  base: BaseFormat,
  adapter: CombinedAdapter | undefined,
  question: (model: CausalLM) => Promise<T>,
): Promise<T> {
  if (isCancelled(host)) throw new CancelledError("Proving the save");
  const model = await loadModel(new Arena(backend), files.source, { base, compute, isCancelled: () => isCancelled(host) });
  try {
    if (adapter) attachCombined(model, adapter);
    return await question(model);
  } finally {
    model.dispose();
  }
}

/** @param other the model that is compared; the tuned one itself when left out */
async function compareLogits(
  { backend, base, host, rows: { rows } }: ProofReference,
  hidden: HiddenRows,
  other: { files: ModelFiles; hidden: Float32Array } | undefined,
): Promise<Comparison> {
  const arena = new Arena(backend);
  const { files = base } = other ?? {};
  const heads = { base: await loadHead(arena, base.source, base.shape), other: await loadHead(arena, files.source, files.shape) };
  const targets = scoredTargets(rows);
  const step = Math.max(1, Math.floor(LOGIT_VALUES / base.shape.vocabularySize));
  const comparison = new Comparison();
  try {
    for (let row = 0; row < targets.length; row += step) {
      if (isCancelled(host)) throw new CancelledError("Proving the save");
      const count = Math.min(step, targets.length - row);
      const ofBase = (values: Float32Array) => logitsOf(arena, base.shape, heads.base, values, row, count);
      const tuned = await ofBase(hidden.tuned);
      comparison.add(
        {
          tuned,
          base: await ofBase(hidden.base),
          saved: other ? await logitsOf(arena, files.shape, heads.other, other.hidden, row, count) : tuned,
        },
        targets.subarray(row, row + count),
      );
    }
  } finally {
    for (const head of Object.values(heads)) for (const owned of head.owned) owned.release("the end of a proof");
  }
  return comparison;
}

function scoredTargets(rows: readonly ProofRow[]): Int32Array {
  const targets: number[] = [];
  for (const { ids, scored } of rows) for (let i = 1; i < ids.length; i++) if (scored[i]) targets.push(ids[i]!);
  return Int32Array.from(targets);
}

/** Where the save differs most, as text: what was asked, what was expected, and what each model would write, token by token. */
function worstRow(rows: readonly ProofRow[], comparison: Comparison, { tokenizer }: ModelFiles): SaveProof["worst"] {
  let at = 0;
  let worst = { kl: -1, row: rows[0]!, from: 0, count: 0 };
  for (const row of rows) {
    const count = row.scored.reduce((sum, flag) => sum + flag, 0);
    const kl = comparison.saved.each.slice(at, at + count).reduce((sum, value) => sum + value, 0) / count;
    if (kl > worst.kl) worst = { kl, row, from: at, count };
    at += count;
  }
  const { ids, scored } = worst.row;
  const first = scored.indexOf(1);
  const tops = comparison.tops.slice(worst.from, worst.from + worst.count);
  return {
    prompt: tokenizer.decode(ids.subarray(0, first)),
    expected: tokenizer.decode(ids.subarray(first)),
    kl: worst.kl,
    tuned: tokenizer.decode(tops.map(({ tuned }) => tuned)),
    saved: tokenizer.decode(tops.map(({ saved }) => saved)),
  };
}

/** GGUF files have no generation_config.json: there the tokenizer's ends are what ends a generation. */
function sideOf(files: ModelFiles, base: ModelFiles): RenderedSide {
  const { tokenizer, path, source } = files;
  const file = join(path, "generation_config.json");
  if (source.format === "huggingface" && existsSync(file))
    return { tokenizer, generationConfig: JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown> };
  const isOther = source.format === "gguf" && base.source.format !== "gguf" && existsSync(join(base.path, "generation_config.json"));
  return { tokenizer, generationConfig: isOther ? { eos_token_id: tokenizer.eos } : undefined };
}
