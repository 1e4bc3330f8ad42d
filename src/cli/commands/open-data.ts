/**
 * What `data preview` and `data stats` start from: the model's tokenizer, the template, and the block, chosen by the same rules as in a run.
 * No weight is read.
 */
import { chooseTemplate, deriveBlockLength } from "../../config/resolve-train.ts";
import type { DataPreviewConfig, DataStatsConfig } from "../../config/schemas/data.ts";
import { readTemplateRows } from "../../data/load-data.ts";
import { openModelFiles } from "../../engine/model-files.ts";
import { resolveData } from "../../hub/resolve-data.ts";
import { loadTemplate } from "../../text/templates/load-template.ts";
import type { Template } from "../../text/templates/template.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";

export interface OpenData {
  files: string[];
  tokenizer: Tokenizer;
  /** Undefined for plain text. */
  template: Template | undefined;
  templateReason: string;
  /** The longest block this model can have; rows are cut there at the latest. */
  blockLimit: number;
}

export async function openData(config: DataPreviewConfig | DataStatsConfig): Promise<OpenData> {
  const { shape, tokenizer } = await openModelFiles(config.model, config);
  const files = await resolveData([config.data].flat(), { offline: config.offline, env: process.env });
  const blockLimit = config.blockLength ?? deriveBlockLength(shape.maxPositions, undefined)[0];
  if (config.objective === "pretrain")
    return { files, tokenizer, template: undefined, templateReason: "the objective is pretrain", blockLimit };
  const fields = await fieldsOf(files, config);
  const [name, reason] = config.template
    ? [config.template, "as given"]
    : chooseTemplate(config, fields, tokenizer.chatTemplate !== undefined);
  return { files, tokenizer, template: loadTemplate(name, tokenizer), templateReason: reason, blockLimit };
}

/** The template's fields that the first row has. */
async function fieldsOf(files: readonly string[], config: DataPreviewConfig | DataStatsConfig): Promise<string[]> {
  for await (const { map } of readTemplateRows(files, config)) return [...map.columns.keys(), ...map.constants.keys()];
  return [];
}
