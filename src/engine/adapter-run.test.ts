import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ConfigFileError } from "../errors/config-file-error.ts";
import { readAdapterRun } from "./adapter-run.ts";

const root = mkdtempSync(join(tmpdir(), "remora-adapter-run-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A folder with this config.json; @returns the path of an adapter in it */
function folderOf(name: string, config: unknown, { metrics = true } = {}): string {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), typeof config === "string" ? config : JSON.stringify(config));
  if (metrics) writeFileSync(join(folder, "metrics.jsonl"), "");
  return join(folder, "adapter");
}

const options = { model: "base", data: ["rows.jsonl"], base: "nf4", reasons: { base: "nf4: method is qlora" } };

test("the run's options, from its adapter and from a checkpoint's", () => {
  const adapter = folderOf("run", { ...options, anOptionOfAnotherVersion: 1 });
  expect(readAdapterRun(adapter)).toMatchObject({ path: join(root, "run", "config.json"), config: { model: "base", base: "nf4" } });
  expect(readAdapterRun(join(root, "run", "checkpoints", "step-10"))?.config.data).toEqual(["rows.jsonl"]);
});

test("no run: nothing there, a model's config.json, any other file of the name", () => {
  expect(readAdapterRun(join(root, "lonely", "place", "adapter"))).toBeUndefined();
  expect(readAdapterRun(folderOf("model", { model_type: "llama" }, { metrics: false }))).toBeUndefined();
  expect(readAdapterRun(folderOf("other", "// not ours", { metrics: false }))).toBeUndefined();
});

test.each([
  ["cut", '{"model": "base", "data', "expected the run's options as JSON"],
  ["wrong", { ...options, base: "nf3", lora: { rank: -1 } }, 'base: expected auto | bf16 | f32 | nf4 | file, found "nf3"'],
])("a run's config.json that is %s is named with the reason", (name, config, problem) => {
  const adapter = folderOf(name, config);
  const read = () => readAdapterRun(adapter);
  expect(read).toThrow(ConfigFileError);
  expect(read).toThrow(problem);
  expect(read).toThrow(join(root, name, "config.json"));
  expect(read).toThrow("--trained-as");
});
