/**
 * `remora data preview` and `remora data stats`: the options of a run that decide its tokens, and nothing else, so that what is shown is
 * what would be trained.
 */
import { z } from "zod";
import { count, option } from "../option.ts";
import { trainSchema } from "./train.ts";

const {
  model,
  data,
  columns,
  constants,
  encoding,
  sheet,
  header,
  template,
  objective,
  trainOn,
  blockLength,
  packing,
  longRows,
  seed,
  offline,
} = trainSchema.shape;
const shared = {
  model,
  data,
  columns,
  constants,
  encoding,
  sheet,
  header,
  template,
  objective,
  trainOn,
  blockLength,
  packing,
  longRows,
  seed,
  offline,
};

export const dataPreviewSchema = z.strictObject({
  ...shared,
  rows: option(count().default(3), { description: "Rows to show", placeholder: "n" }),
  skip: option(count(0).default(0), { description: "Rows to pass over first", placeholder: "n" }),
});

export const dataStatsSchema = z.strictObject({
  ...shared,
  limit: option(count().optional(), { description: "Look at the first so many rows only", derived: "all rows", placeholder: "n" }),
});

export type DataPreviewConfigInput = z.input<typeof dataPreviewSchema>;
export type DataPreviewConfig = z.output<typeof dataPreviewSchema>;
export type DataStatsConfigInput = z.input<typeof dataStatsSchema>;
export type DataStatsConfig = z.output<typeof dataStatsSchema>;
