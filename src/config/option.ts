/**
 * One option of a configuration: a zod schema with the words that people read.
 *
 * The schema alone is the source of the type, the check, the default, the command-line flag and the reference page, so a field is written
 * once, here in `src/config/schemas/`, and nowhere else. Metadata must be attached last in the chain, because zod keeps it on the outermost
 * wrapper.
 */
import { z } from "zod";

export interface OptionWords {
  /** One sentence: what it does, with its unit. Shown by `--help`. */
  description: string;
  /** For options without a fixed default: how the value is found. */
  derived?: string;
  /** What it costs and when to change it. Shown on the reference page. */
  more?: string;
  /** What stands for the value in `--help`: `--data <path>`. */
  placeholder?: string;
  /** Heading in `--help`. */
  section?: string;
}

/** Attaches the words to a schema. */
export function option<S extends z.ZodType>(schema: S, words: OptionWords): S {
  return schema.meta({ ...words }) as S;
}

/** A group of options: `lora: { rank, alpha }` becomes `--lora-rank`, `--lora-alpha`. Absent means empty. */
export function group<S extends z.ZodRawShape>(shape: S, words: OptionWords) {
  return z
    .strictObject(shape)
    .prefault({} as never)
    .meta({ ...words });
}

/** Puts options under one heading of `--help`; a group's own options follow it. */
export function section<S extends Record<string, z.ZodType>>(title: string, shape: S): S {
  const entries = Object.entries(shape).map(([name, schema]) => [name, schema.meta({ ...schema.meta(), section: title })]);
  return Object.fromEntries(entries) as S;
}

/** A whole number from `least` up. */
export const count = (least = 1) => z.int().min(least);
/** A number within [0, 1]. */
export const share = () => z.number().min(0).max(1);
/** A number above zero. */
export const positive = () => z.number().gt(0);
/** Text that is not empty. */
export const text = () => z.string().min(1);
/** A path or a list of paths; a list of anything textual. */
export const textOrList = () => z.union([text(), z.array(text()).min(1)]);
