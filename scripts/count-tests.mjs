// Sums vitest's JSON reports and prints the plain closing line of CI: `node scripts/count-tests.mjs [--checks passed failed] report.json…`
// A report that is missing or unreadable counts as one failure: a run that died must not look like a run without tests. Each failed test is
// named again here with the start of its message: a log that is cut in the middle keeps its end.
import { readFileSync } from "node:fs";

const words = process.argv.slice(2);
let passed = 0;
let failed = 0;
if (words[0] === "--checks") {
  words.shift();
  passed += Number(words.shift());
  failed += Number(words.shift());
}

const firstLines = (message, count) =>
  String(message ?? "")
    .split("\n")
    .slice(0, count)
    .join("\n    ");

for (const path of words) {
  try {
    const report = JSON.parse(readFileSync(path, "utf8"));
    passed += report.numPassedTests;
    failed += report.numFailedTests;
    // A file that could not be loaded has no tests to fail.
    if (report.numFailedTests === 0 && report.success === false) failed += Math.max(1, report.numFailedTestSuites);
    for (const file of report.testResults) {
      const broken = file.assertionResults.filter((test) => test.status === "failed");
      for (const test of broken) console.log(`failed: ${file.name}: ${test.fullName}\n    ${firstLines(test.failureMessages[0], 6)}`);
      if (file.status === "failed" && broken.length === 0)
        console.log(`failed: ${file.name}: the file itself\n    ${firstLines(file.message, 6)}`);
    }
  } catch {
    failed += 1;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
