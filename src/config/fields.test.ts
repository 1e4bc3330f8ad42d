import { describe, expect, test } from "vitest";
import { fieldsOf } from "./fields.ts";
import { SCHEMAS } from "./schemas/index.ts";

describe.each(Object.entries(SCHEMAS))("remora %s", (_, schema) => {
  const fields = fieldsOf(schema);

  test("every flag is its own, and none is one that every command has", () => {
    const flags = fields.map((field) => field.flag);
    expect(new Set(flags).size).toBe(flags.length);
    for (const reserved of ["--config", "--json", "--help", "--version"]) expect(flags).not.toContain(reserved);
  });

  test("every option is required, has a default, or says how it is derived", () => {
    for (const field of fields) {
      expect(field.required || field.defaultValue !== undefined || field.words.derived !== undefined, field.path).toBe(true);
      expect(field.words.description, field.path).not.toMatch(/\.$/);
    }
  });
});

test("a grouped option's path and flag", () => {
  const field = fieldsOf(SCHEMAS.train).find((f) => f.path === "lora.rsLora");
  expect(field).toMatchObject({ flag: "--lora-rs-lora", kind: "boolean", defaultValue: false, required: false });
  expect(fieldsOf(SCHEMAS.train).find((f) => f.path === "base")).toMatchObject({
    kind: "choice",
    choices: ["auto", "bf16", "f32", "nf4", "file"],
  });
});
