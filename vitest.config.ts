import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "bench/**/*.test.ts", "scripts/**/*.test.ts", "studio/**/*.test.ts"],
    testTimeout: 60_000,
    maxWorkers: 2,
  },
});
