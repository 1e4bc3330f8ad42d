/**
 * Tunes the model that ships with remora on rows of a file, and keeps the adapter. A minute or two on two CPU cores, offline:
 *
 *   npx tsx examples/train.ts          then: npx tsx examples/ask.ts
 */
import { train } from "../src/index.ts"; // in a project of your own: from "remora"

const here = (name: string) => new URL(name, import.meta.url).pathname;

const run = await train(
  {
    model: "remora-tiny",
    data: here("translate/train.jsonl"),
    validation: { count: 100 }, // rows split off to choose the adapter; translate/held-out.jsonl is there to judge it
    template: "instruct",
    maxSteps: 110,
    learningRate: 2e-3, // high, because the model is tiny; 1e-4 to 2e-4 suits models of a billion parameters
    out: "run",
    force: true,
  },
  {
    onEvent(event) {
      if (event.event === "eval-end") console.log(`step ${event.step}: held-out loss ${event.loss.toFixed(3)}`);
    },
  },
);

console.log(`The adapter of step ${run.bestStep} is in ${run.adapterPath}`);
