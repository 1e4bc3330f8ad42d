/**
 * One row as tokens, and what to do when it is longer than a block.
 */
import { counted } from "../errors/counted.ts";
import { DataError } from "../errors/data-error.ts";
import { encodeRow } from "../text/templates/encode-rendered.ts";
import type { Template, TemplateRow } from "../text/templates/template.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

export interface Example {
  ids: Int32Array;
  /** 1 where this token is a target: the model learns to write it after the ones before. */
  trained: Uint8Array;
  /** Row in its file, from 1. */
  row: number;
  /** The end was cut off to fit the block. */
  truncated: boolean;
}

export type LongRowPolicy = "truncate" | "drop" | "error";

export interface ExampleOptions {
  tokenizer: Tokenizer;
  template: Template;
  /** Longest example in tokens; without it nothing is cut. */
  blockLength?: number;
  /** `truncate` keeps the prompt and the response's start. @default "truncate" */
  longRows?: LongRowPolicy;
  /** @default "responses" */
  trainOn?: "responses" | "all";
}

/** Why a row gave no example. */
export type Dropped = "too-long" | "response-cut";

/**
 * Makes the example of a row, or says why there is none.
 *
 * @throws TemplateError, DataError (a row longer than the block under the policy `error`)
 */
export function makeExample(row: TemplateRow, number: number, options: ExampleOptions, file = "the data"): Example | Dropped {
  const { ids, trained, promptLength } = encodeRow(options.tokenizer, options.template, row, { trainOn: options.trainOn });
  const limit = options.blockLength ?? Number.POSITIVE_INFINITY;
  if (ids.length <= limit) return { ids: Int32Array.from(ids), trained: Uint8Array.from(trained), row: number, truncated: false };
  switch (options.longRows ?? "truncate") {
    case "drop":
      return "too-long";
    case "error":
      throw new DataError(
        { file, row: number },
        `expected at most ${counted(limit, "token")} (the block), found ${ids.length}`,
        `Set the block to at least ${counted(ids.length, "token")}, or let long rows be truncated or dropped.`,
      );
    case "truncate":
      // a response that is cut entirely teaches nothing, even where the prompt is learnt too
      if (promptLength >= limit) return "response-cut";
      return { ids: Int32Array.from(ids.slice(0, limit)), trained: Uint8Array.from(trained.slice(0, limit)), row: number, truncated: true };
  }
}
