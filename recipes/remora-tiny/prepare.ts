/**
 * The texts of one source of `remora-tiny`, free of every sentence that models are judged by, in training and held-out files.
 *
 *   npx tsx recipes/remora-tiny/prepare.ts <data folder> <out folder> [source…] [--demo held-out.jsonl] [--everyday pairs] [--trial share]
 *
 * Sources: those of sources.ts, learner-pairs, manual-pairs, everyday-1 to -4; all when none is named. Out: <source>.txt (documents) or .tsv (pairs), and
 * the same under held-out/, where learners' pairs come from translation/valid.tsv, which is trained on by nobody. With --trial the first share of
 * each training text stands under trial/ too. What was dropped is counted in <source>.json. Needs `xz`. The sources run well side by side.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeRandom, shuffle } from "../../src/data/random.ts";
import { everydayPairs } from "./everyday.ts";
import { type LeakCheck, openLeakCheck } from "./leak-check.ts";
import { LEARNER_PAIRS, PAIR_FILES, readDocuments, readPairs, TEXT_SOURCES, unpack } from "./sources.ts";

/** Of each of the parts everyday-1 … everyday-4, which differ by seed and can be made side by side. */
const EVERYDAY_PAIRS = 250_000;
const EVERYDAY_PARTS = 4;
const EVERYDAY_HELD_OUT = 300;
const MANUAL_HELD_OUT = 200;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { demo: { type: "string", multiple: true }, everyday: { type: "string" }, trial: { type: "string" } },
});
const [dataFolder, out, ...named] = positionals;
if (!dataFolder || !out) {
  console.error("usage: prepare.ts <data folder> <out folder> [source…] [--demo held-out.jsonl] [--everyday pairs] [--trial share]");
  process.exit(2);
}
for (const folder of ["held-out", "trial"]) mkdirSync(join(out, folder), { recursive: true });

const check = openLeakCheck(dataFolder, flags.demo ?? ["examples/translate/held-out.jsonl"]);
const isWanted = (name: string) => named.length === 0 || named.includes(name);

for (const { name, file } of TEXT_SOURCES) {
  if (!isWanted(name)) continue;
  const dropped: string[] = [];
  const { training, heldOut } = readDocuments(dataFolder, file);
  const clean = training.filter((text) => {
    const leak = check.inText(text);
    if (leak !== undefined) dropped.push(leak);
    return leak === undefined;
  });
  write(`${name}.txt`, clean);
  if (flags.trial !== undefined) write(`trial/${name}.txt`, forTrial(clean));
  write(`held-out/${name}.txt`, heldOut);
  report(name, { documents: clean.length, heldOut: heldOut.length, dropped });
}
if (isWanted("learner-pairs")) {
  const { kept, dropped } = cleanPairs(learnerPairs(), check);
  const dev = readPairs(readFileSync(join(dataFolder, "translation", "valid.tsv"), "utf8"));
  writePairs("learner-pairs", kept, dev);
  report("learner-pairs", { pairs: kept.length, heldOut: dev.length, dropped });
}
if (isWanted("manual-pairs")) {
  const learners = new Set(learnerPairs().map(([ja]) => ja));
  const all = PAIR_FILES.flatMap((file) => readPairs(unpack(join(dataFolder, "pretrain", file)))).filter(([ja]) => !learners.has(ja));
  const { kept, dropped } = cleanPairs(all, check);
  writePairs("manual-pairs", kept.slice(MANUAL_HELD_OUT), kept.slice(0, MANUAL_HELD_OUT));
  report("manual-pairs", { pairs: kept.length - MANUAL_HELD_OUT, heldOut: MANUAL_HELD_OUT, dropped });
}
for (let part = 1; part <= EVERYDAY_PARTS; part++) {
  const name = `everyday-${part}`;
  if (!isWanted(name)) continue;
  const count = flags.everyday === undefined ? EVERYDAY_PAIRS : Number(flags.everyday);
  const { kept, dropped } = cleanPairs(everydayPairs(count + EVERYDAY_HELD_OUT, part), check);
  writePairs(name, kept.slice(EVERYDAY_HELD_OUT), kept.slice(0, EVERYDAY_HELD_OUT));
  report(name, { pairs: kept.length - EVERYDAY_HELD_OUT, heldOut: EVERYDAY_HELD_OUT, dropped });
}

function learnerPairs(): [string, string][] {
  return readPairs(readFileSync(join(dataFolder!, LEARNER_PAIRS), "utf8"));
}

function cleanPairs(pairs: readonly [string, string][], leaks: LeakCheck): { kept: [string, string][]; dropped: string[] } {
  const dropped: string[] = [];
  const kept = pairs.filter(([ja, en]) => {
    const leak = leaks.inPair(ja, en);
    if (leak !== undefined) dropped.push(leak);
    return leak === undefined;
  });
  shuffle(kept as unknown as number[], makeRandom(2));
  return { kept, dropped };
}

/** For short runs that read each source as often as the long one does. Their order is random, so the first are a fair sample. */
function forTrial<T>(all: readonly T[]): readonly T[] {
  return all.slice(0, Math.ceil(all.length * Number(flags.trial)));
}

function write(name: string, documents: readonly string[]): void {
  writeFileSync(join(out!, name), `${documents.join("\n<|doc|>\n")}\n`);
}

function writePairs(name: string, training: readonly [string, string][], heldOut: readonly [string, string][]): void {
  const lines = (pairs: readonly [string, string][]) => `${pairs.map(([ja, en]) => `${ja}\t${en}`).join("\n")}\n`;
  writeFileSync(join(out!, `${name}.tsv`), lines(training));
  if (flags.trial !== undefined) writeFileSync(join(out!, "trial", `${name}.tsv`), lines(forTrial(training)));
  writeFileSync(join(out!, "held-out", `${name}.tsv`), lines(heldOut));
}

function report(name: string, facts: { dropped: readonly string[]; [count: string]: unknown }): void {
  const { dropped, ...counts } = facts;
  writeFileSync(join(out!, `${name}.json`), `${JSON.stringify({ ...counts, dropped: dropped.length, examples: dropped.slice(0, 20) })}\n`);
  console.error(`${name}: ${JSON.stringify(counts)}, ${dropped.length} dropped, ${check.size} held-out sentences`);
}
