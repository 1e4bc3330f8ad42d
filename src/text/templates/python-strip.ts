/**
 * `text.strip(characters)` in chat templates, as Python means it.
 *
 * The Jinja library trims all white space whatever the argument says; Qwen3's template, with its `content.lstrip('\n')`, would lose an
 * answer's leading spaces. So such calls are rewritten in the parsed template into calls of the functions below.
 */
import type { Template as Jinja } from "@huggingface/jinja";

interface Node {
  type: string;
  [field: string]: unknown;
}

/** Functions a template rendered through `fixStrip` must be given. */
export const STRIP_FUNCTIONS = {
  remora_strip: (text: unknown, characters: unknown) => strip(String(text), String(characters), true, true),
  remora_lstrip: (text: unknown, characters: unknown) => strip(String(text), String(characters), true, false),
  remora_rstrip: (text: unknown, characters: unknown) => strip(String(text), String(characters), false, true),
};

function strip(text: string, characters: string, left: boolean, right: boolean): string {
  const set = new Set(characters);
  const points = Array.from(text);
  let start = 0;
  let end = points.length;
  while (left && start < end && set.has(points[start]!)) start++;
  while (right && end > start && set.has(points[end - 1]!)) end--;
  return points.slice(start, end).join("");
}

/** Rewrites `x.strip(c)`, `x.lstrip(c)` and `x.rstrip(c)` in place. */
export function fixStrip(jinja: Jinja): Jinja {
  visit(jinja.parsed as unknown as Node);
  return jinja;
}

function visit(value: unknown): void {
  if (Array.isArray(value)) for (const each of value) visit(each);
  else if (typeof value === "object" && value !== null) {
    if (value instanceof Map) for (const pair of value) visit(pair);
    for (const each of Object.values(value)) visit(each);
    rewrite(value as Node);
  }
}

function rewrite(node: Node): void {
  if (node.type !== "CallExpression" || !Array.isArray(node.args) || node.args.length !== 1) return;
  const callee = node.callee as Node;
  const property = callee.property as Node | undefined;
  if (callee.type !== "MemberExpression" || callee.computed === true || property?.type !== "Identifier") return;
  if (!/^[lr]?strip$/.test(String(property.value))) return;
  node.args = [callee.object, node.args[0]];
  property.value = `remora_${property.value}`;
  node.callee = property;
}
