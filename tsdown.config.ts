/**
 * `npm run build:dist`: TypeScript in `src/` → plain modules in `dist/`, one file for each source file, so that `new URL("./worker.js",
 * import.meta.url)` and the lazy imports of the command line stay what they are in the sources.
 */
import { existsSync } from "node:fs";
import { defineConfig } from "tsdown";

export default defineConfig({
  // define-config: a user's remora.config.ts imports it, through an alias that no bundler sees.
  entry: ["src/index.ts", "src/cli/main.ts", "src/engine/worker.ts", "src/config/define-config.ts"].filter((path) => existsSync(path)),
  format: "esm",
  platform: "node",
  target: "node20",
  unbundle: true,
  dts: false,
  sourcemap: false,
  clean: true,
  outDir: "dist",
  outExtensions: () => ({ js: ".js" }),
  logLevel: "error",
});
