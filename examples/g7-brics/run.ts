/**
 * The reference comparison from end to end, offline on a CPU: documents → index → rows with context → an adapter → four variants → a report.
 * Each step is a command that you could type; this file only puts them in order. Run again, it goes on where it stopped.
 *
 *   npm run example:g7-brics -- --out g7-brics [--model <model>] [--device cpu|cuda]
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { shippedModels } from "../../src/index.ts"; // in a project of your own: from "remora"

const { values } = parseArgs({
  options: { out: { type: "string", default: "g7-brics" }, model: { type: "string" }, device: { type: "string", default: "cpu" } },
});
const model = values.model ?? shippedModels()[0]!;
/** From here, so that sources are named as a reader would. */
const here = relative(process.cwd(), import.meta.dirname);
const inOut = (name: string) => join(values.out, name);
const place = ["--device", values.device, "--offline"];
/** A model this small reads few tokens at once: short chunks, and two of them. */
const retrieval = ["--index", inOut("index"), "--limit", "2"];

remora("index", join(here, "docs"), "--index", inOut("index"), "--chunk-tokens", "96", "--overlap-tokens", "16");

// Rows with the context that asking would give; what the documents do not hold becomes an example of not knowing.
const rows = ["--rows", join(here, "train.jsonl"), "--rows-out", inOut("train.jsonl"), "--unsupported", "refuse", "--force"];
remora("ask", ...rows, ...retrieval);

if (!existsSync(inOut("run/adapter"))) {
  const resume = existsSync(inOut("run/checkpoints")) ? ["--resume"] : [];
  const data = ["--data", inOut("train.jsonl"), "--template", "instruct-context", "--block-length", "512"];
  remora("train", "--model", model, ...data, "--epochs", "8", "--learning-rate", "1e-3", "--out", inOut("run"), ...resume, ...place);
}

const variants = ["--variants", "base,base+docs,tuned,tuned+docs", "--model", model, "--adapter", inOut("run/adapter")];
const title = ["--title", `G7 and BRICS, asked of ${model}: a test of the path, not of what it knows`];
remora("eval", join(here, "questions.jsonl"), ...variants, ...retrieval, "--max-tokens", "32", ...title, "--out", inOut("eval"), ...place);

console.log(`
This proves the path, not the answers: a model as small as ${model} knows nothing of the G7 or of BRICS, and its figures above say so.
Open ${inOut("eval/report.html")}; examples/g7-brics/README.md has the same recipe for a model that does know something.`);

function remora(...words: string[]): void {
  console.log(`\n$ remora ${words.map((word) => (/[\s:]/.test(word) ? JSON.stringify(word) : word)).join(" ")}`);
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, "../../dist/cli/main.js"), ...words], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 130);
}
