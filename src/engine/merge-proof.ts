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
import { loadModel } from "../models/load-model.ts";
import type { BaseFormat } from "../models/load-weights.ts";
import { Arena } from "../tensor/arena.ts";
import { isCancelled, type JobHost } from "./job.ts";
import type { ModelFiles } from "./model-files.ts";
import type { ProofRows } from "./merge-rows.ts";

/** Logits of this many values exist at once, for each of the models compared. */
const LOGIT_VALUES = 2 ** 22;

export interface ProofRequest {
  readonly backend: Backend;
  readonly host: JobHost;
  readonly compute: ActivationDType;
  readonly base: ModelFiles;
  /** Opened from what was written. An adapter is saved without a base: then this is the base again, and `savedAdapter` what was read back. */
  readonly saved: ModelFiles;
  readonly savedAdapter: CombinedAdapter | undefined;
  readonly adapter: CombinedAdapter;
  readonly trainedAs: BaseFormat;
  /** Of the tolerance: `nf4`, `q4_k_m` … */
  readonly name: string;
  readonly template: string | undefined;
  readonly rows: ProofRows;
}

export async function proveSave(request: ProofRequest): Promise<SaveProof> {
  const { base, saved, adapter, backend, compute } = request;
  const { rows, data } = request.rows;
  const hidden = await askModels(request);
  const comparison = await compareLogits(request, hidden);

  const gained = comparison.base.mean;
  const closeness = comparison.saved.closeness(gained);
  const required = toleranceOf(request.name, gained >= NOTHING_LEARNT && adapter.parts.length > 0);
  const { tokenizer } = base;
  const texts = rows.map(({ ids }) => tokenizer.decode(ids));
  const checks = renderingChecks(sideOf(base, base), sideOf(saved, base), request.template, texts);
  const exact = { kl: 0, retained: retained(0, gained) };
  const other = hidden.other ? { kl: comparison.other.mean, retained: retained(comparison.other.mean, gained) } : exact;
  return {
    data,
    rows: rows.length,
    tokens: comparison.tops.length,
    device: backend.device.name,
    compute,
    saved: closeness,
    tuned: { perplexity: comparison.tuned.perplexity },
    base: { kl: gained, perplexity: comparison.base.perplexity },
    // Tuning against the base as it was trained is what "tuned" means, so that way is exact; the other is measured.
    mergeBases: { trained: exact, original: other },
    required,
    checks,
    worst: worstRow(rows, comparison, base),
    passed: holds(required, closeness) && checks.every(({ ok }) => ok),
  };
}

interface Hidden {
  readonly tuned: Float32Array;
  readonly base: Float32Array;
  readonly saved: Float32Array;
  readonly other: Float32Array | undefined;
}

async function askModels(request: ProofRequest): Promise<Hidden> {
  const { backend, host, compute, base, saved, savedAdapter, adapter, trainedAs } = request;
  const { rows } = request.rows;
  const withModel = async <T>(files: ModelFiles, format: BaseFormat, laid: CombinedAdapter | undefined, ask: (model: Awaited<ReturnType<typeof loadModel>>) => Promise<T>) => {
    if (isCancelled(host)) throw new CancelledError("Proving the save");
    const model = await loadModel(new Arena(backend), files.source, { base: format, compute, isCancelled: () => isCancelled(host) });
    try {
      if (laid) attachCombined(model, laid);
      return await ask(model);
    } finally {
      model.dispose();
    }
  };
  const inMemory = await withModel(base, trainedAs, adapter, async (model) => {
    const tuned = await hiddenRows(model, rows);
    // Detached, not switched off: what is asked without it must not know of it.
    model.detachLora();
    return { tuned, base: adapter.parts.length > 0 ? await hiddenRows(model, rows) : tuned };
  });
  const other =
    trainedAs === "file" ? undefined : await withModel(base, "file", adapter, (model) => hiddenRows(model, rows));
  const reloaded = await withModel(saved, savedAdapter ? trainedAs : "file", savedAdapter, (model) => hiddenRows(model, rows));
  return { ...inMemory, other, saved: reloaded };
}

async function compareLogits({ backend, base, saved, host, rows: { rows } }: ProofRequest, hidden: Hidden): Promise<Comparison> {
  const arena = new Arena(backend);
  const heads = [await loadHead(arena, base.source, base.shape), await loadHead(arena, saved.source, saved.shape)] as const;
  const targets = scoredTargets(rows);
  const step = Math.max(1, Math.floor(LOGIT_VALUES / base.shape.vocabularySize));
  const comparison = new Comparison();
  try {
    for (let row = 0; row < targets.length; row += step) {
      if (isCancelled(host)) throw new CancelledError("Proving the save");
      const count = Math.min(step, targets.length - row);
      const logits = (values: Float32Array, which: 0 | 1) =>
        logitsOf(arena, which === 0 ? base.shape : saved.shape, heads[which], values, row, count);
      comparison.add(
        {
          tuned: await logits(hidden.tuned, 0),
          base: await logits(hidden.base, 0),
          saved: await logits(hidden.saved, 1),
          other: hidden.other && (await logits(hidden.other, 0)),
        },
        targets.subarray(row, row + count),
      );
    }
  } finally {
    for (const head of heads) for (const owned of head.owned) owned.release("the end of a proof");
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
