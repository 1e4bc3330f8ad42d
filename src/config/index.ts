/** Configuration: one schema a command, from which types, defaults, flags and the reference page come. */
export { defineConfig } from "./define-config.ts";
export { type Field, type FieldKind, fieldsOf, flagOf } from "./fields.ts";
export { loadConfigFile } from "./load-file.ts";
export { mergeConfigs, type PlainConfig } from "./merge.ts";
export { nearestName } from "./nearest-name.ts";
export { parseConfig } from "./parse.ts";
export { type Reasons, type ResolvedTrainConfig, resolveTrainConfig, type TrainFacts } from "./resolve-train.ts";
export * from "./schemas/data.ts";
export * from "./schemas/demo.ts";
export * from "./schemas/generate.ts";
export * from "./schemas/hub.ts";
export { type CommandName, SCHEMAS } from "./schemas/index.ts";
export * from "./schemas/plan.ts";
export * from "./schemas/pretrain.ts";
export * from "./schemas/retrieval.ts";
export * from "./schemas/train.ts";
