/**
 * Counts before a mix is chosen: the tokens of every source, and how often each mix of mixes.yaml would read it.
 *
 *   npx tsx recipes/remora-tiny/passes.ts <folder that holds tokens/> <tokens of the run, in millions>
 */
import { join } from "node:path";
import { passesOf, readMixes, tokensOf } from "./mixes.ts";

const [folder, millions] = process.argv.slice(2);
if (!folder || !millions) {
  console.error("usage: passes.ts <folder that holds tokens/> <tokens of the run, in millions>");
  process.exit(2);
}
const here = import.meta.dirname;
const mixes = readMixes(join(here, "pretrain.yaml"), join(here, "mixes.yaml"));
process.chdir(folder);

const paths = Object.assign({}, ...[...mixes.values()].map(({ data }) => data)) as Record<string, string>;
const passes = [...mixes.values()].map((mix) => passesOf(mix, Number(millions) * 1e6));
console.log(`| source | million tokens | ${[...mixes.keys()].map((name) => `passes in ${name}`).join(" | ")} |`);
console.log(`|---|---|${"---|".repeat(mixes.size)}`);
for (const [source, path] of Object.entries(paths)) {
  const tokens = tokensOf(path);
  const cells = passes.map((each) => each[source]?.toFixed(1) ?? "");
  console.log(`| ${source} | ${tokens === undefined ? "not there" : (tokens / 1e6).toFixed(2)} | ${cells.join(" | ")} |`);
}
