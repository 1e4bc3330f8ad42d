/**
 * A plain value against a schema: the checked config, or every problem at once, each with its path and the nearest valid name.
 */
import type { z } from "zod";
import { ConfigError, type ConfigProblem } from "../errors/config-error.ts";
import { fieldsOf } from "./fields.ts";
import { nearestName } from "./nearest-name.ts";

/**
 * @param doing what the config is for: "Configuring remora train"
 * @throws ConfigError with all problems
 */
export function parseConfig<S extends z.ZodObject>(schema: S, value: unknown, doing: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue as z.core.$ZodIssue, value, schema));
  throw new ConfigError(doing, problems);
}

function problemsOf(issue: z.core.$ZodIssue, root: unknown, schema: z.ZodObject): ConfigProblem[] {
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const known = knownNames(schema, path);
    return issue.keys.map((key) => {
      const full = path ? `${path}.${key}` : key;
      return { path: full, problem: "there is no such option", nearest: nearestName(key, known) ?? nearestName(full, known) };
    });
  }
  // What is wrong may be the name of a field, not its value; a check then says what it found.
  const found = issue.code === "custom" && issue.params && "found" in issue.params ? issue.params.found : valueAt(root, issue.path);
  if (found === undefined) return [{ path, problem: "required, found nothing" }];
  return [{ path, problem: `expected ${expected(issue)}, found ${show(found)}`, nearest: nearestChoice(issue, found) }];
}

/** Names valid in the group at `path`, then all others: a misplaced name is found too. */
function knownNames(schema: z.ZodObject, path: string): string[] {
  const all = fieldsOf(schema).map((field) => field.path);
  const groups = [...new Set(all.filter((name) => name.includes(".")).map((name) => name.slice(0, name.indexOf("."))))];
  const names = [...all, ...groups];
  return path ? [...names.filter((name) => name.startsWith(`${path}.`)), ...names] : names;
}

function expected(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.expected === "int" ? "a whole number" : articled(issue.expected);
    case "invalid_value":
      return issue.values.map(String).join(" | ");
    case "too_small":
      if (issue.origin === "string" || issue.origin === "array") return "something that is not empty";
      return `a number ${issue.inclusive ? "of at least" : "above"} ${issue.minimum}`;
    case "too_big":
      return `a number ${issue.inclusive ? "of at most" : "below"} ${issue.maximum}`;
    case "invalid_union":
      return "text or a list of texts";
    default:
      return issue.message.replace(/^expected /, "");
  }
}

const articled = (type: string) =>
  type === "record" || type === "object" ? "a group of options" : type === "string" ? "text" : `a ${type}`;

function nearestChoice(issue: z.core.$ZodIssue, found: unknown): string | undefined {
  return issue.code === "invalid_value" && typeof found === "string" ? nearestName(found, issue.values.map(String)) : undefined;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key], root);
}

function show(value: unknown): string {
  const text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
