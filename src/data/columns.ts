/**
 * From a file's columns to the names that templates use.
 *
 * A user maps columns by name and may give constants (one instruction for a whole translation file). What is not mapped is recognised by
 * common names. Values are checked here, so that an error names file, row and column.
 */
import { DataError } from "../errors/data-error.ts";
import type { Message, TemplateRow } from "../text/templates/template.ts";
import type { SourceRow } from "./read/source-row.ts";

const FIELDS = ["instruction", "input", "output", "context", "system", "text", "messages"] as const;
type Field = (typeof FIELDS)[number];

export interface ColumnOptions {
  /** Field of the template → column of the file. A name of the user's own template is a field too. */
  columns?: Readonly<Record<string, string>>;
  /** Fields with the same value in every row. */
  constants?: Readonly<Record<string, string>>;
  /** For asking, a row may lack its response or leave it empty. @default "training" */
  purpose?: "training" | "asking";
}

/** Common column names, the likeliest first. */
const COMMON_NAMES: Readonly<Record<Field, readonly string[]>> = {
  messages: ["messages", "conversations", "conversation"],
  instruction: ["instruction", "prompt", "question", "query", "user"],
  input: ["input"],
  output: ["output", "completion", "response", "answer", "target", "assistant"],
  context: ["context"],
  system: ["system"],
  text: ["text", "content"],
};

/** What kind of row the mapping yields. */
export type RowKind = "messages" | "instruction" | "text";

export interface ColumnMap {
  kind: RowKind;
  /** Field → column, for the fields that come from the file. */
  columns: ReadonlyMap<string, string>;
  constants: ReadonlyMap<string, string>;
  map(row: SourceRow): TemplateRow;
}

/** Decides the mapping from the columns of the first row. @throws DataError when no usable columns are found */
export function mapColumns(file: string, found: readonly string[], options: ColumnOptions = {}): ColumnMap {
  const columns = new Map<string, string>();
  const constants = new Map(Object.entries(options.constants ?? {}));
  for (const [field, column] of Object.entries(options.columns ?? {})) {
    if (!found.includes(column)) {
      throw new DataError({ file, column }, `expected this column for ${field}, found only: ${found.join(", ")}`, nearest(column, found));
    }
    columns.set(field, column);
  }
  const isFree = (field: Field) => !columns.has(field) && !constants.has(field);
  const taken = new Set(columns.values());
  const lower = new Map(found.filter((column) => !taken.has(column)).map((column) => [column.toLowerCase(), column]));
  const detect = (field: Field) => {
    const name = isFree(field) ? COMMON_NAMES[field].find((each) => lower.has(each)) : undefined;
    if (name === undefined) return;
    columns.set(field, lower.get(name)!);
    lower.delete(name);
  };
  const explicitKind = columns.has("messages") ? "messages" : columns.has("text") && !columns.has("output") ? "text" : undefined;
  for (const field of explicitKind === undefined ? FIELDS : (["system", "context"] as const)) detect(field);
  const has = (field: Field) => columns.has(field) || constants.has(field);
  if (!has("instruction") && has("input") && has("output")) {
    columns.set("instruction", columns.get("input")!); // {input, output} rows: the input is what is asked
    columns.delete("input");
  }
  const kind: RowKind | undefined = has("messages")
    ? "messages"
    : has("output") && has("instruction")
      ? "instruction"
      : has("text")
        ? "text"
        : has("instruction")
          ? "instruction"
          : undefined;
  if (kind === undefined) {
    throw new DataError(
      { file },
      `expected columns for instruction and output, for messages, or for text, found: ${found.join(", ") || "none"}`,
      "Map them by name, as in columns: { instruction: ja, output: en }.",
    );
  }
  return { kind, columns, constants, map: (row) => mapRow(file, row, kind, columns, constants, options.purpose !== "asking") };
}

function mapRow(
  file: string,
  source: SourceRow,
  kind: RowKind,
  columns: ReadonlyMap<string, string>,
  constants: ReadonlyMap<string, string>,
  training: boolean,
): TemplateRow {
  const { row, line, values } = source;
  const result: TemplateRow = {};
  const used = new Set(columns.values());
  for (const [column, value] of Object.entries(values))
    if (!used.has(column) && !(FIELDS as readonly string[]).includes(column)) result[column] = value;
  for (const [field, value] of constants) if (field !== "messages") result[field] = value;
  for (const [field, column] of columns) {
    const place = { file, row, line, column };
    const value = values[column];
    if (field === "messages") result.messages = toMessages(place, value);
    else if (value === undefined || value === null) {
      if (field === "instruction" || field === "text" || (field === "output" && training)) {
        throw new DataError(
          place,
          `expected text for ${field}, found ${value === null ? "null" : "no such column in this row"}`,
          "Complete the row, or remove it.",
        );
      }
    } else result[field] = toText(place, field, value);
  }
  if (kind === "instruction") {
    if ((result.instruction ?? "").trim() === "" && (result.input ?? "").trim() === "") {
      throw empty(source, file, columns.get("instruction"), "an instruction");
    }
    if (training && result.output !== undefined && result.output.trim() === "")
      throw empty(source, file, columns.get("output"), "a response to train on");
  } else if (kind === "text" && (result.text ?? "").trim() === "") throw empty(source, file, columns.get("text"), "text");
  return result;
}

const empty = ({ row, line }: SourceRow, file: string, column: string | undefined, what: string): DataError =>
  new DataError({ file, row, line, column }, `expected ${what}, found an empty one`, "Complete the row, or remove it.");

function toText(place: { file: string; row: number; column: string }, field: string, value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  const found = Array.isArray(value) ? "a list" : "an object";
  throw new DataError(
    place,
    `expected text for ${field}, found ${found}`,
    field === "output" && found === "a list" ? "Keep one answer per row." : "Map another column, or write the value as text.",
  );
}

/** OpenAI's `{role, content}` and ShareGPT's `{from, value}`; a content may be a list of text parts. */
function toMessages(place: { file: string; row: number; column: string }, value: unknown): Message[] {
  let list = value;
  if (typeof value === "string") {
    try {
      list = JSON.parse(value);
    } catch {
      // reported below
    }
  }
  if (!Array.isArray(list) || list.length === 0) {
    throw new DataError(
      place,
      `expected a list of messages, found ${Array.isArray(list) ? "an empty one" : typeof value}`,
      'Write [{"role": "user", "content": …}, …].',
    );
  }
  return list.map((each: unknown, index) => {
    const message = (typeof each === "object" && each !== null ? each : {}) as Record<string, unknown>;
    const role = SHARE_GPT_ROLES[String(message.from)] ?? message.role ?? message.from;
    const raw = message.content ?? message.value;
    const content = Array.isArray(raw) ? textParts(raw) : raw;
    if (typeof role !== "string" || typeof content !== "string") {
      throw new DataError(
        place,
        `expected message ${index + 1} to have a role and text as content, found ${JSON.stringify(each)?.slice(0, 80)}`,
        'Write {"role": "user", "content": "…"}.',
      );
    }
    if (role === "assistant" && content.trim() === "") {
      throw new DataError(
        place,
        `expected message ${index + 1} (assistant) to hold an answer, found an empty one`,
        "Complete the row, or remove it.",
      );
    }
    return { role, content };
  });
}

const SHARE_GPT_ROLES: Readonly<Record<string, string>> = {
  human: "user",
  gpt: "assistant",
  system: "system",
  user: "user",
  assistant: "assistant",
};

function textParts(parts: readonly unknown[]): string | undefined {
  const texts = parts.map((part) => (typeof part === "object" && part !== null ? (part as { text?: unknown }).text : undefined));
  return texts.every((text) => typeof text === "string") ? texts.join("") : undefined;
}

function nearest(name: string, found: readonly string[]): string {
  const close = found.find((each) => each.toLowerCase().includes(name.toLowerCase()) || name.toLowerCase().includes(each.toLowerCase()));
  return close === undefined ? "Check the column's name." : `Did you mean ${JSON.stringify(close)}?`;
}
