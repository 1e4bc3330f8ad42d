/** Typed access to a model's config.json, so that a missing or odd field is an error that names it. Field names stay as in the file. */
import { ConfigValueError } from "../errors/config-value-error.ts";
import { type RopeSettings, readRopeScaling } from "../nn/rope-table.ts";

export type Fields = Readonly<Record<string, unknown>>;

export class ConfigFields {
  readonly fields: Fields;

  constructor(fields: Fields) {
    this.fields = fields;
  }

  /** A positive integer. */
  count(name: string, fallback?: number): number {
    const value = this.fields[name] ?? fallback;
    if (typeof value !== "number" || !Number.isInteger(value) || value < 1) throw new ConfigValueError(name, "a positive integer", value);
    return value;
  }

  number(name: string, fallback?: number): number {
    const value = this.fields[name] ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value)) throw new ConfigValueError(name, "a number", value);
    return value;
  }

  boolean(name: string, fallback: boolean): boolean {
    return typeof this.fields[name] === "boolean" ? (this.fields[name] as boolean) : fallback;
  }

  /** A number that may be null or absent. */
  optionalNumber(name: string): number | undefined {
    const value = this.fields[name];
    return typeof value === "number" ? value : undefined;
  }

  object(name: string): Fields | undefined {
    const value = this.fields[name];
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  }

  strings(name: string): readonly string[] | undefined {
    const value = this.fields[name];
    return Array.isArray(value) ? value.map(String) : undefined;
  }

  /** Refuses a value that the forward pass does not compute. */
  expect(name: string, allowed: readonly unknown[]): void {
    const value = this.fields[name];
    if (value !== undefined && value !== null && !allowed.includes(value)) {
      throw new ConfigValueError(name, allowed.map(String).join(" or "), value, "This variant of the architecture is not supported yet.");
    }
  }

  /**
   * Rotary settings from either generation of the file: `rope_theta` + `rope_scaling`, or Transformers 5's `rope_parameters`
   * (for models with two kinds of layers: an object a kind, chosen by `kind`).
   */
  rope(headDim: number, options: { kind?: string; theta?: number } = {}): RopeSettings {
    const nested = this.object("rope_parameters");
    const parameters = (options.kind ? (nested?.[options.kind] as Fields | undefined) : undefined) ?? nested;
    const scalingFields = parameters ?? this.object("rope_scaling");
    const theta = Number(parameters?.rope_theta ?? options.theta ?? this.fields.rope_theta ?? 10000);
    const fraction = Number(parameters?.partial_rotary_factor ?? this.fields.partial_rotary_factor ?? 1);
    const maxPositions = this.count("max_position_embeddings", 2048);
    return {
      rotary: Math.floor(headDim * fraction),
      theta,
      scaling: readRopeScaling(scalingFields, maxPositions, this.optionalNumber("original_max_position_embeddings")),
      maxPositions,
    };
  }
}
