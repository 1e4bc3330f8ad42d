/** The rows that a save is proven on: the run's own held-out rows, rows that the user names, or the built-in texts. */
import { existsSync } from "node:fs";
import type { Backend } from "../backend/backend.ts";
import type { MergeConfig } from "../config/schemas/merge.ts";
import { type TrainConfig, trainOptions } from "../config/schemas/train.ts";
import { builtInRows, limitRows, type ProofRow } from "../export/proof/proof-rows.ts";
import type { JobHost } from "./job.ts";
import type { MergeInputs } from "./merge-inputs.ts";
import { readRunData } from "./run-data.ts";
import { trainFacts } from "./train-config.ts";

export interface ProofRows {
  readonly rows: readonly ProofRow[];
  /** Where they come from, for the report. */
  readonly data: string;
}

/** @throws DataError, TemplateError for rows that cannot be read */
export async function readProofRows(config: MergeConfig, inputs: MergeInputs, backend: Backend, host: JobHost): Promise<ProofRows> {
  const source = dataOf(config, inputs);
  if (source === undefined) {
    const rows = limitRows(builtInRows(inputs.files.tokenizer, config.proofTokens), config.proofRows, config.proofTokens);
    const why = inputs.run ? "its data is no longer there" : "no run beside the adapter";
    return { rows, data: inputs.adapters.length > 0 ? `built-in texts (${why}; --proof-data names rows)` : "built-in texts" };
  }
  using data = await readRunData(source.config, inputs.files, trainFacts(inputs.files, backend), host);
  const { store, split } = data.loaded;
  const useHeldOut = source.heldOut && split.heldOut.length > 0;
  const indexes = useHeldOut ? split.heldOut : split.training;
  const all = function* (): Generator<ProofRow> {
    for (const index of indexes) {
      const { ids, trained } = store.get(index);
      yield { ids, scored: Uint8Array.from(trained) };
    }
  };
  const name = source.heldOut ? `${useHeldOut ? "held-out" : "training"} rows of ${inputs.run!.path}` : source.names;
  return { rows: limitRows(all(), config.proofRows, config.proofTokens), data: name };
}

function dataOf(config: MergeConfig, { run, template }: MergeInputs): { config: TrainConfig; heldOut: boolean; names: string } | undefined {
  if (config.proofData !== undefined) {
    const paths = [config.proofData].flat();
    const rest = run ? { ...run.config, validation: {} } : {};
    const made = trainOptions.parse({ ...rest, model: "base", data: paths, template, validation: { count: 0 } });
    return { config: made, heldOut: false, names: paths.join(", ") };
  }
  if (!run) return undefined;
  const paths = [run.config.data, run.config.validation.path ?? []].flat();
  if (!paths.every((path) => existsSync(path))) return undefined;
  return { config: { ...run.config, template: template ?? run.config.template }, heldOut: true, names: "" };
}
