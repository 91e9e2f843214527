const { existsSync } = require('node:fs');
const { resolve } = require('node:path');
const Sequencer = require('@jest/test-sequencer').default;

/** The files that take longest, mostly waiting. A run that began them last would wait for them alone. */
const long = [
  'faults/photo-serving',
  'faults/crash-generation',
  'faults/upstream-limits',
  'faults/processes',
  'faults/crash-training',
  'faults/combined-drill',
  'faults/start-refused',
  'faults/deletion',
  'faults/start-and-stop',
  'faults/leaks',
  'faults/upstream-calls',
  'redis/several-machines',
  'faults/missing-decoder',
  'faults/result-check',
  'faults/export-erasure',
  'faults/idle',
];

for (const name of long) {
  if (!existsSync(resolve(__dirname, `../test/${name}.test.ts`)))
    throw new Error(`There is no test file ${name}.`);
}

const rankOf = ({ path }) => {
  if (path.includes('/test-groups/')) return -1;
  const index = long.findIndex((name) => path.endsWith(`/test/${name}.test.ts`));
  return index < 0 ? long.length : index;
};

/** Groups and long files first, the others in Jest's order: the larger files first in a fresh clone. */
class LongestFirst extends Sequencer {
  sort(tests) {
    return super.sort(tests).sort((a, b) => rankOf(a) - rankOf(b));
  }
}

module.exports = LongestFirst;
