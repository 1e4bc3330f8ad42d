/**
 * What is compared: a model, with documents or without. `base+docs` is the model `base`, asked with what retrieval found. `gpt=<model by name>`
 * brings another model under a name of its own, and `gpt+docs` asks it with documents too.
 */
import { ConfigError } from "../../errors/config-error.ts";

export interface Variant {
  /** As a report shows it: `tuned+docs`. */
  readonly name: string;
  /** Which model answers: `base`, `tuned`, or a name that the user gave to a model. */
  readonly model: string;
  readonly documents: boolean;
}

export interface Variants {
  readonly variants: readonly Variant[];
  /** The models that the user named here: name → as `openNamedModel` takes it. */
  readonly models: Readonly<Record<string, string>>;
}

const DOCUMENTS = "+docs";
/** A name that stays readable in a table; what has other signs is a path or an address that lacks one. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}_.-]*$/u;

/** @param known names that need no definition  @throws ConfigError naming each variant that no model answers */
export function parseVariants(texts: readonly string[], known: readonly string[], hasDocuments: boolean): Variants {
  const parts = texts.map((text) => {
    const [, name, model] = /^([^=]*)=(.+)$/su.exec(text) ?? [undefined, text, undefined];
    return { text, name: name!, model };
  });
  const variants = parts.map(({ name }): Variant => {
    const documents = name.endsWith(DOCUMENTS);
    return { name, model: documents ? name.slice(0, -DOCUMENTS.length) : name, documents };
  });
  const models: Record<string, string> = {};
  for (const [index, { model }] of parts.entries()) if (model !== undefined) models[variants[index]!.model] ??= model;
  const problems = variants.flatMap(({ name, model, documents }, index) => {
    const given = parts[index]!.model;
    const wrong = (problem: string) => [{ path: "variants", problem }];
    if (variants.findIndex((each) => each.name === name) !== index) return wrong(`${name} is named twice`);
    if (given !== undefined && !NAME.test(model)) return wrong(`${parts[index]!.text}: expected a name of letters and digits before the =`);
    if (given !== undefined && known.includes(model)) return wrong(`${name}: ${model} is a model of this comparison already`);
    if (given !== undefined && models[model] !== given) return wrong(`${name}: ${model} is two models`);
    if (models[model] === undefined && !known.includes(model)) {
      const next = model === "tuned" ? " (give --adapter)" : model === "base" ? " (give --model)" : "";
      const names = [...known, ...Object.keys(models)];
      return wrong(
        `${name}: expected ${names.length > 0 ? `one of ${names.join(", ")}, with or without ${DOCUMENTS}, or ` : ""}name=model${next}`,
      );
    }
    return documents && !hasDocuments ? [{ path: "index", problem: `${name} needs documents, and no index was given` }] : [];
  });
  if (problems.length > 0) throw new ConfigError("Configuring remora eval", problems);
  return { variants, models };
}
