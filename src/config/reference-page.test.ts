import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { referencePage } from "./reference-page.ts";

test("docs/reference/config.md is what the schemas say; `npm run docs:config` refreshes it", () => {
  expect(readFileSync(new URL("../../docs/reference/config.md", import.meta.url), "utf8")).toBe(referencePage());
});
