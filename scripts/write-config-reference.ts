/** Writes `docs/reference/config.md` from the schemas: `npm run docs:config`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { referencePage } from "../src/config/reference-page.ts";

mkdirSync(new URL("../docs/reference/", import.meta.url), { recursive: true });
writeFileSync(new URL("../docs/reference/config.md", import.meta.url), referencePage());
