// Adds up the results of .ci/run: `node .ci/tally.mjs <folder>`. The folder contains `steps.txt`, with a line
// `passed|failed <name>` for each step, and a Jest result `<suite>.json` for each suite that has ended.
// The last line printed is the total; the exit code is 1 if anything failed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
const total = { passed: 0, failed: 0 };
const print = (line) => console.log(line);

const steps = existsSync(join(folder, 'steps.txt')) ? readFileSync(join(folder, 'steps.txt'), 'utf8') : '';
for (const line of steps.split('\n').filter(Boolean)) {
  const [outcome] = line.split(' ', 1);
  total[outcome] += 1;
  if (outcome === 'failed') print(`failed: ${line.slice('failed '.length)}`);
}

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const result = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  total.passed += result.numPassedTests;
  // A file that could not be loaded has no tests; it counts as one failure.
  total.failed += result.numFailedTests + result.numRuntimeErrorTestSuites;
  for (const { name, assertionResults, status } of result.testResults) {
    const failures = assertionResults.filter((test) => test.status === 'failed');
    if (status === 'failed' && failures.length === 0)
      print(`failed: ${name.replace(`${process.cwd()}/`, '')}`);
    for (const test of failures) print(`failed: ${test.fullName}`);
  }
}

print(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
