/** One debater as the user writes it: `critic=openai-compatible:http://host/v1#model,stance=doubts every number,docs=my-index,temperature=0.7`. */
import { ConfigError, type ConfigProblem } from "../errors/config-error.ts";

export interface Debater {
  readonly name: string;
  /** A model's name, as src/asking/model-name.ts reads it. */
  readonly model: string;
  /** Where it stands, in the user's words. */
  readonly stance?: string;
  /** Index of documents; `none` is none, undefined the debate's own. */
  readonly docs?: string;
  /** Undefined: as the debate. */
  readonly web?: boolean;
  readonly temperature?: number;
  readonly seed?: number;
}

const KEYS = ["stance", "docs", "web", "temperature", "seed"] as const;
/** A name is words; a model that holds a sign of equality (`local:x?adapter=y`) holds a `:`, `/` or `?` before it. */
const NAME = /^([\p{L}\p{N}][\p{L}\p{N} _-]*)=(.*)$/su;

/** @throws ConfigError with every problem of every debater */
export function parseDebaters(given: readonly string[]): Debater[] {
  const problems: ConfigProblem[] = [];
  const fail = (text: string, problem: string) => {
    problems.push({ path: "debater", problem: `${problem} in ${JSON.stringify(text)}` });
  };
  const debaters = given.map((text, index) => parseDebater(text, index, (problem) => fail(text, problem)));
  for (const [index, { name }] of debaters.entries())
    if (name === "judge" || debaters.findIndex((other) => other.name === name) !== index)
      problems.push({ path: "debater", problem: `the name ${name} is ${name === "judge" ? "the judge's" : "used twice"}` });
  if (debaters.length < 2) problems.push({ path: "debater", problem: `expected at least two, found ${debaters.length}` });
  if (problems.length > 0) throw new ConfigError("Configuring remora debate", problems);
  return debaters;
}

function parseDebater(text: string, index: number, fail: (problem: string) => void): Debater {
  // Commas divide only before a known key, so that a stance may hold some.
  const [first = "", ...rest] = text.split(new RegExp(`,(?=\\s*(?:${KEYS.join("|")})=)`));
  const [, name = String.fromCharCode(65 + index), model = first] = NAME.exec(first.trim()) ?? [];
  if (model.trim() === "") fail("expected a model, found nothing");
  const parts = Object.fromEntries(rest.map((part) => [part.slice(0, part.indexOf("=")).trim(), part.slice(part.indexOf("=") + 1).trim()]));
  for (const [key, value] of Object.entries(parts)) if (value === "") fail(`expected something behind ${key}=, found nothing`);
  const number = (key: string, isRight: (value: number) => boolean, expected: string): number | undefined => {
    if (parts[key] === undefined) return undefined;
    const value = Number(parts[key]);
    if (!isRight(value)) fail(`${key}: expected ${expected}, found ${parts[key]}`);
    return value;
  };
  if (parts.web !== undefined && parts.web !== "on" && parts.web !== "off") fail(`web: expected on or off, found ${parts.web}`);
  return {
    name: name.trim(),
    model: model.trim(),
    stance: parts.stance,
    docs: parts.docs,
    web: parts.web === undefined ? undefined : parts.web === "on",
    temperature: number("temperature", (value) => value >= 0, "a number of at least 0"),
    seed: number("seed", (value) => Number.isSafeInteger(value) && value >= 0, "a whole number of at least 0"),
  };
}
