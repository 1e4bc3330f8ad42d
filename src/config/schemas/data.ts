/**
 * `remora data preview` and `remora data stats`: the options of a run that decide its tokens, and nothing else, so that what is shown is
 * what would be trained. `remora data tokenize` reads files as they do.
 */
import { z } from "zod";
import { count, option, text, textOrList } from "../option.ts";
import { trainOptions } from "./train.ts";

const { data, encoding, sheet, header, offline } = trainOptions.shape;
const shared = trainOptions.pick({
  model: true,
  data: true,
  columns: true,
  constants: true,
  encoding: true,
  sheet: true,
  header: true,
  template: true,
  objective: true,
  trainOn: true,
  blockLength: true,
  packing: true,
  longRows: true,
  seed: true,
  offline: true,
}).shape;

export const dataPreviewSchema = z.strictObject({
  ...shared,
  rows: option(count().default(3), { description: "Rows to show", placeholder: "n" }),
  skip: option(count(0).default(0), { description: "Rows to pass over first", placeholder: "n" }),
});

export const dataStatsSchema = z.strictObject({
  ...shared,
  limit: option(count().optional(), { description: "Look at the first so many rows only", derived: "all rows", placeholder: "n" }),
});

export const dataTokenizeSchema = z.strictObject({
  model: option(text(), {
    description: "Folder or GGUF file of the model whose tokenizer is used; weights are not needed",
    placeholder: "model",
  }),
  data,
  encoding,
  sheet,
  header,
  forms: option(textOrList().optional(), {
    description: "Texts with {column} in them, such as '{ja}\\n{en}'; every row becomes one document of each",
    derived: "the column text, or the file's documents",
    placeholder: "text...",
    more: "The forms of one row lie far apart in the file: it is written in as many passes as there are forms. `\\n` is a line end.",
  }),
  passes: option(count().optional(), {
    description: "How many of the forms each row takes",
    derived: "all of them",
    placeholder: "n",
  }),
  out: option(text().default("corpus.tokens"), { description: "The token file", placeholder: "path" }),
  force: option(z.boolean().default(false), { description: "Replace the file" }),
  offline,
});

export type DataPreviewConfig = z.output<typeof dataPreviewSchema>;
export type DataStatsConfig = z.output<typeof dataStatsSchema>;
