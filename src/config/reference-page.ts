/**
 * The reference page of all options, made from the schemas. `scripts/write-config-reference.ts` writes it; a test fails when it is stale.
 */
import { type Field, fieldsOf } from "./fields.ts";
import { SCHEMAS } from "./schemas/index.ts";

/** @returns Markdown of `docs/reference/config.md` */
export function referencePage(): string {
  const parts = [
    "# Options",
    "",
    "Made from the schemas in `src/config/schemas/` by `npm run docs:config`; do not edit by hand.",
    "",
    "A value comes from the flag, else from `--config file.yaml|json|ts`, else from the default. Every command also takes `--config` and",
    "`--json`. *Derived* values are found from the model, the data and the device; a run's `config.json` records each with its reason.",
  ];
  for (const [command, schema] of Object.entries(SCHEMAS)) {
    parts.push("", `## remora ${command}`, "", "| option | flag | value | default | what it does |", "|---|---|---|---|---|");
    for (const field of fieldsOf(schema)) parts.push(row(field));
  }
  return `${parts.join("\n")}\n`;
}

function row(field: Field): string {
  const { description, more } = field.words;
  const cells = [
    `\`${field.path}\``,
    `\`${field.flag}\``,
    valueWords(field),
    defaultOf(field),
    more ? `${description}. ${more}` : description,
  ];
  return `| ${cells.map((cell) => cell.replace(/\|/g, "\\|")).join(" | ")} |`;
}

function valueWords(field: Field): string {
  switch (field.kind) {
    case "choice":
      return (field.choices ?? []).map((choice) => `\`${choice}\``).join(", ");
    case "pairs":
      return "name=value, repeated";
    case "list":
      return "text, or a list";
    case "boolean":
      return "true, false";
    default:
      return field.kind;
  }
}

function defaultOf(field: Field): string {
  if (field.defaultValue !== undefined) {
    return Array.isArray(field.defaultValue) ? field.defaultValue.map((item) => `\`${item}\``).join(", ") : `\`${field.defaultValue}\``;
  }
  if (field.required) return "*required*";
  return field.words.derived ? `*derived:* ${field.words.derived}` : "none";
}
