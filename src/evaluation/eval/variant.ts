/** What is compared: a model, with documents or without. `base+docs` is the model `base`, asked with what retrieval found. */
import { ConfigError } from "../../errors/config-error.ts";

export interface Variant {
  /** As written: `tuned+docs`. */
  readonly name: string;
  /** Which model answers: `base`, `tuned`, or a name that the user gave to a model. */
  readonly model: string;
  readonly documents: boolean;
}

const DOCUMENTS = "+docs";

/** @param models names that variants may use  @throws ConfigError naming each variant that no model answers */
export function parseVariants(names: readonly string[], models: readonly string[], hasDocuments: boolean): Variant[] {
  const variants = names.map((name): Variant => {
    const documents = name.endsWith(DOCUMENTS);
    return { name, model: documents ? name.slice(0, -DOCUMENTS.length) : name, documents };
  });
  const problems = variants.flatMap(({ name, model, documents }, index) => {
    if (names.indexOf(name) !== index) return [{ path: "variants", problem: `${name} is named twice` }];
    if (!models.includes(model)) {
      const next = model === "tuned" ? " (give --adapter)" : "";
      return [{ path: "variants", problem: `${name}: expected one of ${models.join(", ")}, with or without ${DOCUMENTS}${next}` }];
    }
    return documents && !hasDocuments ? [{ path: "index", problem: `${name} needs documents, and no index was given` }] : [];
  });
  if (problems.length > 0) throw new ConfigError("Configuring remora eval", problems);
  return variants;
}
