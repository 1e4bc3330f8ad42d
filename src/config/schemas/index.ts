/** The schemas by command, for the reference page and the tests that hold for all of them. */

import { dataPreviewSchema, dataStatsSchema, dataTokenizeSchema } from "./data.ts";
import { debateSchema, questionsSchema } from "./debate.ts";
import { demoSchema, doctorSchema } from "./demo.ts";
import { evalSchema, reportSchema } from "./eval.ts";
import { chatSchema, generateSchema, serveSchema } from "./generate.ts";
import { pullSchema, pushSchema } from "./hub.ts";
import { mergeSchema } from "./merge.ts";
import { planSchema } from "./plan.ts";
import { pretrainSchema } from "./pretrain.ts";
import { askSchema, indexSchema } from "./retrieval.ts";
import { trainSchema } from "./train.ts";

export const SCHEMAS = {
  train: trainSchema,
  pretrain: pretrainSchema,
  plan: planSchema,
  generate: generateSchema,
  chat: chatSchema,
  serve: serveSchema,
  push: pushSchema,
  pull: pullSchema,
  index: indexSchema,
  ask: askSchema,
  eval: evalSchema,
  report: reportSchema,
  debate: debateSchema,
  questions: questionsSchema,
  merge: mergeSchema,
  "data preview": dataPreviewSchema,
  "data stats": dataStatsSchema,
  "data tokenize": dataTokenizeSchema,
  demo: demoSchema,
  doctor: doctorSchema,
} as const;
