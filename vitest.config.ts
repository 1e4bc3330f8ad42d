import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "src/**/*.test.ts",
      "bench/**/*.test.ts",
      "scripts/**/*.test.ts",
      "studio/**/*.test.ts",
      "recipes/**/*.test.ts",
      "examples/**/*.test.ts",
    ],
    // Generous: tests start processes and workers, on machines that also do other things. Nothing here is a timed test.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    maxWorkers: 2,
  },
});
