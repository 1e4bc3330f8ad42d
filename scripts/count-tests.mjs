// Sums vitest's JSON reports and prints the plain closing line of CI: `node scripts/count-tests.mjs [--checks passed failed] report.json…`
// A report that is missing or unreadable counts as one failure: a run that died must not look like a run without tests.
import { readFileSync } from "node:fs";

const words = process.argv.slice(2);
let passed = 0;
let failed = 0;
if (words[0] === "--checks") {
  words.shift();
  passed += Number(words.shift());
  failed += Number(words.shift());
}
for (const path of words) {
  try {
    const report = JSON.parse(readFileSync(path, "utf8"));
    passed += report.numPassedTests;
    failed += report.numFailedTests;
    // A file that could not be loaded has no tests to fail.
    if (report.numFailedTests === 0 && report.success === false) failed += Math.max(1, report.numFailedTestSuites);
  } catch {
    failed += 1;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
