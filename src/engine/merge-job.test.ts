/** Saves that go wrong on the way: the adapter is lost, a byte is wrong, the disk fills up. None may pass, and none may leave anything behind. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { writeTinyModelOf } from "../cli/testing/tiny-model.ts";
import type { SaveEvent, SaveReport } from "../config/reports.ts";
import { FileAccessError } from "../errors/file-access-error.ts";
import { RemoraError } from "../errors/remora-error.ts";
import { MergedMatrix, MergedWeights } from "../export/merged-weights.ts";
import { AtomicFile } from "../formats/atomic-file.ts";
import { writeAdapter } from "../models/adapter-file.ts";
import { mergeJob } from "./merge-job.ts";

let folder: string;
let model: string;
let adapter: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "remora-merge-job-"));
  model = await writeTinyModelOf(join(folder, "model"), {});
  adapter = join(folder, "adapter");
  const wave = (count: number, factor: number) => Float32Array.from({ length: count }, (_, i) => factor * Math.sin(i * i));
  const paths = [0, 1].flatMap((layer) => [`model.layers.${layer}.mlp.down_proj`, `model.layers.${layer}.self_attn.o_proj`]);
  const parts = paths.map((path) => ({
    path,
    a: wave(4 * (path.includes("mlp") ? 128 : 64), 0.3),
    b: wave(64 * 4, 0.3),
    rank: 4,
    alpha: 4,
  }));
  await writeAdapter(adapter, { parts, useRslora: false, dropout: 0, baseModel: model });
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function save(format: string, out: string): Promise<{ error?: RemoraError; report?: SaveReport }> {
  let report: SaveReport | undefined;
  const emit = (event: object) => {
    if ((event as SaveEvent).event === "save-end") report = (event as Extract<SaveEvent, { event: "save-end" }>).report;
  };
  try {
    await mergeJob(
      { adapter, format, out, device: "cpu", threads: 2, version: "test" },
      { emit, cancelFlag: new Int32Array(new SharedArrayBuffer(4)) },
    );
    return { report };
  } catch (error) {
    if (!RemoraError.isInstance(error)) throw error;
    return { error, report };
  }
}

function expectNothingAt(out: string): void {
  expect(existsSync(out)).toBe(false);
  expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
}

test("the save as it should be is proven", async () => {
  const { report, error } = await save("16bit", join(folder, "whole"));
  expect(error).toBeUndefined();
  expect(report!.proof.passed).toBe(true);
  expect(report!.proof.base.kl).toBeGreaterThan(0.01);
});

test.each(["16bit", "gguf:f16"])("an adapter that is dropped before saving as %s does not pass", async (format) => {
  const real = MergedWeights.prototype.open;
  vi.spyOn(MergedWeights.prototype, "open").mockImplementation(function (this: MergedWeights, parameter) {
    return real.call(new MergedWeights(this.arena, this.source, this.shape, [], "file"), parameter);
  });
  const out = join(folder, "dropped");
  const { error, report } = await save(format, out);
  expect(error?.code).toBe("proof");
  expect(error?.exitCode).toBe(1);
  expect(report!.proof.passed).toBe(false);
  expect(report!.proof.saved.retained).toBeLessThan(0.01);
  expect(report!.proof.worst.prompt.length + report!.proof.worst.expected.length).toBeGreaterThan(0);
  expect(error?.problem).toMatch(/^expected at least 0\.99 of what was learnt to be retained, found -?0\.00\d\d$/);
  expect(error?.next).toContain("the adapter beside its base");
  expectNothingAt(out);
});

test("a save that answers NaN does not pass", async () => {
  const write = MergedMatrix.prototype.write;
  vi.spyOn(MergedMatrix.prototype, "write").mockImplementation(function (this: MergedMatrix, range, out) {
    write.call(this, range, out);
    this.backend.upload(out, new Uint8Array(range.count * this.cols * 2).fill(0xff));
  });
  const out = join(folder, "nan");
  const { error, report } = await save("16bit", out);
  expect(error?.code).toBe("proof");
  expect(report!.proof.passed).toBe(false);
  expectNothingAt(out);
});

test("a disk that fills up while writing leaves nothing, and says so", async () => {
  const write = AtomicFile.prototype.writeAt;
  let budget = 100_000;
  vi.spyOn(AtomicFile.prototype, "writeAt").mockImplementation(async function (this: AtomicFile, bytes, offset) {
    budget -= bytes.length;
    if (budget < 0) throw new FileAccessError("Writing", this.path, Object.assign(new Error("no space left"), { code: "ENOSPC" }));
    return write.call(this, bytes, offset);
  });
  const out = join(folder, "full-disk");
  for (const format of ["16bit", "nf4", "gguf:f16"]) {
    budget = 100_000;
    const { error } = await save(format, out);
    expect(error?.problem).toBe("the disk is full");
    expectNothingAt(out);
  }
});

test("leftovers of a save that was killed are cleared by the next one", async () => {
  const out = join(folder, "after-kill");
  const partial = join(folder, ".after-kill.partial");
  mkdirSync(partial);
  writeFileSync(join(partial, "model.safetensors.123.partial"), "half a file");
  const { error } = await save("16bit", out);
  expect(error).toBeUndefined();
  expect(readdirSync(out).filter((name) => name.endsWith(".partial"))).toEqual([]);
  expect(existsSync(partial)).toBe(false);
});
