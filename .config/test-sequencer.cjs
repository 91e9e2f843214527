const { existsSync } = require('node:fs');
const { resolve } = require('node:path');
const Sequencer = require('@jest/test-sequencer').default;

/** The files that take longest, mostly waiting, or must be alone: in no group. A run that began them last would wait for them. */
const long = [
  'faults/photo-serving',
  'redis/several-machines',
  'faults/start-refused',
  'faults/processes',
  'faults/upstream-limits',
  'faults/crash-generation',
  'faults/deletion',
  'browser/studio-recovery',
  'browser/studio-access',
  'faults/combined-drill',
  'faults/result-check',
  's3/s3-gateway',
  'faults/export-erasure',
  'faults/leaks',
  'browser/studio-errors',
  'faults/idle',
  'faults/crash-training',
  'faults/backup-interrupted',
  'faults/upstream-calls',
  'faults/upstream-answers',
  'faults/start-and-stop',
  'faults/missing-decoder',
  // Its traces are those of the process.
  'faults/traces',
];

for (const name of long) {
  if (!existsSync(resolve(__dirname, `../test/${name}.test.ts`)))
    throw new Error(`There is no test file ${name}.`);
}

const rankOf = ({ path }) => {
  const index = long.findIndex((name) => path.endsWith(`/test/${name}.test.ts`));
  if (index >= 0) return index;
  return path.includes('/test-groups/') ? long.length : long.length + 1;
};

/** Long files and groups first, the others in Jest's order: the larger files first in a fresh clone. */
class LongestFirst extends Sequencer {
  static long = long;

  sort(tests) {
    return super.sort(tests).sort((a, b) => rankOf(a) - rankOf(b));
  }
}

module.exports = LongestFirst;
