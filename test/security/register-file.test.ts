import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRegister } from '../../src/cli/register-file';

describe('a register', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'likeness-register-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    ['lines', '\n'.repeat(500_001), 500_001],
    ['bytes', `${' '.repeat(12_600_000)}\n`.repeat(20), 20],
  ])(
    'is not read on when it has too many %s, and the line at which to split it is named',
    async (_, text, line) => {
      const file = join(folder, 'endless.jsonl');
      await writeFile(file, text);
      await expect(readRegister(file)).rejects.toThrow(
        `  line ${line}: was not read, nor was what follows: a file has at most 500000 lines and 250000000 bytes. Split it, and import the parts one after the other.`,
      );
    },
  );
});
