/**
 * Flags from a schema's fields, and the flags that were given back into a config.
 *
 * Values are not judged here: a number that is not one stays text, so that the schema reports every problem at once.
 */
import { Option } from "commander";
import type { z } from "zod";
import { type Field, fieldsOf } from "../config/fields.ts";
import type { PlainConfig } from "../config/merge.ts";

/** The commander options of one field: two for a boolean (`--x` and `--no-x`), the less useful one hidden. */
export function optionsOf(field: Field): Option[] {
  const options = makeOptions(field);
  for (const option of options) if (field.words.section) option.helpGroup(`${field.words.section}:`);
  return options;
}

function makeOptions(field: Field): Option[] {
  if (field.kind === "boolean") {
    const on = new Option(field.flag, field.words.description);
    const off = new Option(field.flag.replace(/^--/, "--no-"), `Turn off: ${lowerFirst(field.words.description)}`);
    (field.defaultValue === true ? on : off).hideHelp();
    return [on, off];
  }
  const option = new Option(`${field.flag} <${valueName(field)}>`, describe(field));
  if (field.kind === "number") option.argParser((text: string) => (text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text)));
  if ((field.kind === "list" || field.kind === "pairs") && !option.variadic) {
    option.argParser((text: string, earlier: string[] | undefined) => [...(earlier ?? []), text]);
  }
  return [option];
}

/** The config that the given flags say: grouped, nothing but what was given. */
export function configFromFlags(schema: z.ZodObject, given: Readonly<Record<string, unknown>>): PlainConfig {
  const config: PlainConfig = {};
  for (const field of fieldsOf(schema)) {
    const value = given[attributeOf(field)];
    if (value === undefined) continue;
    const names = field.path.split(".");
    let group = config;
    for (const name of names.slice(0, -1)) {
      group[name] ??= {};
      group = group[name] as PlainConfig;
    }
    group[names.at(-1)!] = convert(field, value);
  }
  return config;
}

/** Commander's name for a flag's value: `--lora-rs-lora` → `loraRsLora`. */
function attributeOf(field: Field): string {
  return field.flag.slice(2).replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function convert(field: Field, value: unknown): unknown {
  if (field.kind === "pairs") {
    // `a=b`; what has no sign of equality stays as it is, and the schema says what was expected.
    const pairs = (value as string[]).map((text) => text.split(/=(.*)/s).slice(0, 2));
    return pairs.every((pair) => pair.length === 2) ? Object.fromEntries(pairs) : (value as string[]).join(" ");
  }
  if (field.kind === "list") {
    const items = value as string[];
    // One item that cannot be a plain name may be a pattern, which the schema takes as text.
    return items.length === 1 && !/^[\w.-]+$/.test(items[0]!) ? items[0] : items;
  }
  return value;
}

function valueName(field: Field): string {
  return field.kind === "choice" ? (field.choices ?? []).join("|") : (field.words.placeholder ?? field.kind);
}

function describe(field: Field): string {
  const { description, derived } = field.words;
  if (field.required) return `${description} (required)`;
  if (field.defaultValue !== undefined) {
    const value = field.defaultValue;
    return `${description} (default: ${Array.isArray(value) ? value.join(" ") : String(value)})`;
  }
  return derived && derived !== "none" ? `${description} (default: ${derived})` : description;
}

const lowerFirst = (text: string) => text[0]!.toLowerCase() + text.slice(1);
