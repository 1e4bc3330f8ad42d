/**
 * A schema read as a flat list of fields: what the flags, the reference page and the "did you mean" of an unknown name are made from.
 */
import type { z } from "zod";
import type { OptionWords } from "./option.ts";

/** What a value may look like on a command line. `list` is repeatable, `pairs` is `name=value`. */
export type FieldKind = "text" | "number" | "boolean" | "choice" | "list" | "pairs";

export interface Field {
  /** As in a config file: `lora.rsLora`. */
  path: string;
  /** As on the command line: `--lora-rs-lora`. */
  flag: string;
  kind: FieldKind;
  choices?: readonly string[];
  /** Absent for a derived or a required field. */
  defaultValue?: unknown;
  required: boolean;
  words: OptionWords;
}

/** All fields of a schema, groups flattened, in the order in which they are written. */
export function fieldsOf(schema: z.ZodObject, prefix = "", section?: string): Field[] {
  return Object.entries(schema.shape).flatMap(([name, child]) => {
    const path = prefix + name;
    const { inner, defaultValue, required } = unwrap(child as z.ZodType);
    const meta = (child as z.ZodType).meta() as OptionWords | undefined;
    if (inner.def.type === "object") return fieldsOf(inner as z.ZodObject, `${path}.`, meta?.section ?? section);
    const words = meta?.section === undefined && section !== undefined ? { ...meta!, section } : meta;
    if (!words?.description) throw new Error(`option ${path} has no description`);
    const field: Field = { path, flag: flagOf(path), kind: kindOf(inner), required, words };
    if (inner.def.type === "enum") field.choices = (inner as z.ZodEnum).options.map(String);
    if (defaultValue !== undefined) field.defaultValue = defaultValue;
    return [field];
  });
}

/** `lora.rsLora` → `--lora-rs-lora`. */
function flagOf(path: string): string {
  return `--${path.replace(/\./g, "-").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function unwrap(schema: z.ZodType): { inner: z.ZodType; defaultValue: unknown; required: boolean } {
  let inner = schema;
  let defaultValue: unknown;
  let required = true;
  while (inner.def.type === "optional" || inner.def.type === "default" || inner.def.type === "prefault") {
    required = false;
    if (inner.def.type === "default") defaultValue = (inner.def as z.core.$ZodDefaultDef).defaultValue;
    inner = (inner.def as z.core.$ZodOptionalDef).innerType as z.ZodType;
  }
  return { inner, defaultValue, required };
}

function kindOf(schema: z.ZodType): FieldKind {
  switch (schema.def.type) {
    case "string":
      return "text";
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "enum":
      return "choice";
    case "record":
      return "pairs";
    case "union":
    case "array":
      return "list";
    default:
      throw new Error(`no flag can express a ${schema.def.type}`);
  }
}
