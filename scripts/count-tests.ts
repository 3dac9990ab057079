/**
 * Prints `PASSED FAILED` from vitest's JSON report. Arguments: the report, and vitest's exit status.
 * A file that did not load counts as one failure, and so does an exit status that no failed test explains.
 */
import { readFileSync } from "node:fs";

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { status: string; assertionResults: { status: string }[] }[];
}

const [file = "", status = "1"] = process.argv.slice(2);

/** The report's numbers; one failure if there is no readable report. */
function count(): { passed: number; failed: number } {
  try {
    const report = JSON.parse(readFileSync(file, "utf8")) as Report;
    const unloaded = report.testResults.filter(
      (suite) => suite.status === "failed" && !suite.assertionResults.some((test) => test.status === "failed"),
    );
    return { passed: report.numPassedTests, failed: report.numFailedTests + unloaded.length };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

const { passed, failed } = count();
console.log(`${passed} ${failed === 0 && status !== "0" ? 1 : failed}`);
