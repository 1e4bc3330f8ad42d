/** Typed access to the metadata of a GGUF file, so that a missing or odd field is an error that names it. */
import { FileFormatError } from "../errors/file-format-error.ts";
import type { GgufFile } from "../formats/gguf-reader.ts";
import type { GgufValue } from "../formats/gguf-value.ts";

export class GgufFields {
  readonly file: GgufFile;
  readonly architecture: string;

  constructor(file: GgufFile, architecture: string) {
    this.file = file;
    this.architecture = architecture;
  }

  /** @param key a metadata key, or `tensor NAME` */
  fail(key: string, expected: string, found: string, next?: string): never {
    throw new FileFormatError({
      format: "GGUF",
      path: this.file.path,
      where: key.startsWith("tensor ") ? key : `metadata "${key}"`,
      expected,
      found,
      next,
    });
  }

  /** `%` in a key stands for the architecture: `%.block_count`. */
  key(name: string): string {
    return name.replace("%", this.architecture);
  }

  value(name: string): GgufValue | undefined {
    return this.file.metadata.get(this.key(name));
  }

  number(name: string): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isFinite(value)) return this.fail(this.key(name), "a number", show(value));
    return shortest(value);
  }

  /** A positive integer. */
  count(name: string): number | undefined {
    const value = this.number(name);
    if (value !== undefined && (!Number.isInteger(value) || value < 1)) return this.fail(this.key(name), "a positive integer", `${value}`);
    return value;
  }

  requiredCount(name: string): number {
    return this.count(name) ?? this.fail(this.key(name), "a positive integer", "nothing");
  }

  /** A count, or an array of one count a layer that are all the same. */
  uniformCount(name: string): number | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === "number") return this.count(name);
    const list = ArrayBuffer.isView(value) || Array.isArray(value) ? Array.from(value as ArrayLike<unknown>) : [];
    const first = list[0];
    if (typeof first !== "number" || !Number.isInteger(first) || first < 1 || list.some((each) => each !== first)) {
      this.fail(
        this.key(name),
        "one positive integer for all layers",
        show(value),
        "Models whose layers differ in size are not supported.",
      );
    }
    return first as number;
  }

  text(name: string): string | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    return typeof value === "string" ? value : this.fail(this.key(name), "text", show(value));
  }
}

function show(value: GgufValue): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}…` : value);
  if (typeof value !== "object") return String(value);
  const list = Array.from(value as ArrayLike<unknown>, String);
  return `[${list.slice(0, 8).join(", ")}${list.length > 8 ? ", …" : ""}]`;
}

/** Files hold f32; 0.000009999999747378752 is how 1e-5 comes out. The shortest decimal that is the same f32 reads as the original config did. */
function shortest(value: number): number {
  const short = Number(value.toPrecision(7));
  return Math.fround(short) === value ? short : value;
}
