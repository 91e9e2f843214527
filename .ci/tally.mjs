// Adds up what a run of .ci/run has found: `node .ci/tally.mjs <folder>`. The folder holds `steps.txt`, a line
// `passed|failed <name>` for each step, and a Jest result `<suite>.json` for each suite that came to its end.
// The last line printed is the sum; the exit code says whether anything failed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
const sum = { passed: 0, failed: 0 };
const say = (line) => console.log(line);

const steps = existsSync(join(folder, 'steps.txt')) ? readFileSync(join(folder, 'steps.txt'), 'utf8') : '';
for (const line of steps.split('\n').filter(Boolean)) {
  const [outcome] = line.split(' ', 1);
  sum[outcome] += 1;
  if (outcome === 'failed') say(`failed: ${line.slice('failed '.length)}`);
}

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const result = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  sum.passed += result.numPassedTests;
  // A file that did not even load has no tests to count; it is one failure.
  sum.failed += result.numFailedTests + result.numRuntimeErrorTestSuites;
  for (const { name, assertionResults, status } of result.testResults) {
    const failures = assertionResults.filter((test) => test.status === 'failed');
    if (status === 'failed' && failures.length === 0) say(`failed: ${name.replace(`${process.cwd()}/`, '')}`);
    for (const test of failures) say(`failed: ${test.fullName}`);
  }
}

say(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1;
