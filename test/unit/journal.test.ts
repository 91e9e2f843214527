import { spawnSync } from 'node:child_process';
import fs, { readFileSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Journal } from '../../src/jobs/journal';
import type { JournalEntry } from '../../src/jobs/journal-lines';
import { entries, JournalFolder, line, settled } from '../support/journal-folder';

const project = resolve(__dirname, '../..');
const [first, second, third] = entries as [JournalEntry, JournalEntry, JournalEntry];

describe('the journal', () => {
  let journals: JournalFolder;
  const start = (orphanedMs?: number): Journal => journals.start(orphanedMs);

  const ownFile = (): string => join(journals.path, journals.files[0]!);

  beforeEach(() => {
    journals = new JournalFolder();
  });

  afterEach(() => journals.remove());

  it('keeps appended entries and drops settled ones', () => {
    const before = start();
    entries.forEach((entry) => before.append(entry));
    before.settle(second);
    expect(before.unsettled).toEqual([first, third]);
    expect(start().unsettled).toEqual([first, third]);
  });

  it('keeps two ids of one attempt, which processes have on both sides of a failover, until each is settled', () => {
    const again = { ...first, ref: 'another' };
    const before = start();
    before.append(first);
    start().append(again);
    const after = start();
    expect(after.unsettled).toEqual([first, again]);
    after.settle(again);
    expect(after.unsettled).toEqual([first]);
  });

  it('settles the first of two ids of one attempt', () => {
    const again = { ...first, ref: 'another' };
    const before = start();
    before.append(first);
    before.append(again);
    before.settle(first);
    expect(start().unsettled).toEqual([again]);
  });

  it('reads what earlier versions have written, which name the attempt of a settled entry only', () => {
    const again = { ...first, ref: 'another' };
    const text = line(again) + line(first) + line({ ...settled(first), ref: undefined });
    journals.leave(journals.foreignFile(), text);
    expect(start().unsettled).toEqual([again]);
  });

  it('survives a process that is killed right after it', () => {
    const program = `
      const { Journal } = require(${JSON.stringify(join(project, 'src/jobs/journal.ts'))});
      const journal = new Journal(${JSON.stringify(journals.path)});
      journal.start();
      const [first, second, third] = ${JSON.stringify(entries)};
      journal.append(first); journal.append(second); journal.settle(first); journal.append(third);
      process.kill(process.pid, 'SIGKILL');`;
    const { signal } = spawnSync(process.execPath, ['-r', '@swc-node/register', '-e', program], {
      cwd: project,
    });
    expect(signal).toBe('SIGKILL');
    expect(start().unsettled).toEqual([second, third]);
  });

  it('loses no earlier entry at any truncation of the last line', () => {
    const whole = Buffer.from(entries.map(line).join('') + line(settled(first)));
    const ends = [...entries, settled(first)].map((value, index, all) =>
      Buffer.byteLength(
        all
          .slice(0, index + 1)
          .map(line)
          .join('')
          .trimEnd(),
      ),
    );
    for (let length = ends[1]!; length <= whole.length; length += 1) {
      journals.leave(journals.foreignFile(), whole.subarray(0, length));
      const journal = new Journal(journals.path);
      journal.start();
      const isWhole = ends.map((end) => length >= end);
      const wanted = entries.filter((_, index) => isWhole[index] && !(index === 0 && isWhole[3]));
      expect({ length, unsettled: journal.unsettled }).toEqual({ length, unsettled: wanted });
      journal.stop();
      rmSync(journals.path, { recursive: true });
    }
  });

  it('keeps entries that are appended after a truncated line', () => {
    journals.leave(journals.foreignFile(), line(first) + line(second).slice(0, -20));
    start().append(third);
    expect(start().unsettled).toEqual([first, third]);
  });

  it.each(['nonsense', '{}', 'null', '5', '"text"', '[]', '{"table":"owners","id":"x"}', '\0\0\0\0'])(
    'ignores an invalid line: %j',
    (text) => {
      journals.leave(journals.foreignFile(), `${line(first)}${text}\n${line(second)}`);
      expect(start().unsettled).toEqual([first, second]);
    },
  );

  it('continues in a new file when its file was removed', () => {
    const journal = start();
    journal.append(first);
    rmSync(ownFile());
    journal.append(second);
    expect(start().unsettled).toEqual([first, second]);
  });

  it('does not grow without bound while its entries are settled', () => {
    const journal = start();
    const long = { ...first, correlationId: 'x'.repeat(100_000) };
    for (let attempt = 1; attempt <= 25; attempt += 1) {
      journal.append({ ...long, attempt });
      journal.settle({ ...long, attempt });
      expect(statSync(ownFile()).size).toBeLessThan(1_300_000);
    }
    journal.append(second);
    expect(start().unsettled).toEqual([second]);
  });

  describe('an hour after an entry was settled', () => {
    const content = (): string =>
      journals.files.map((name) => readFileSync(join(journals.path, name), 'utf8')).join('');

    const passTime = (minutes: number): void => {
      const now = performance.now.bind(performance);
      jest.spyOn(performance, 'now').mockImplementation(() => now() + minutes * 60_000);
    };

    afterEach(() => jest.restoreAllMocks());

    it('no longer holds it', () => {
      const journal = start();
      journal.append(first);
      journal.settle(first);
      passTime(59);
      journal.renew();
      expect(content()).toContain(first.ref);
      jest.restoreAllMocks();
      passTime(61);
      journal.renew();
      expect(content()).toBe('');
      journal.append(second);
      expect(start().unsettled).toEqual([second]);
    });

    it('holds open entries only', () => {
      const journal = start();
      journal.append(first);
      journal.append(second);
      journal.settle(first);
      passTime(61);
      journal.renew();
      expect(content()).not.toContain(first.id);
      expect(journals.files).toHaveLength(1);
      expect(start().unsettled).toEqual([second]);
    });

    it('holds it longer if the disk is full, and continues', () => {
      const journal = start();
      journal.append(first);
      journal.append(second);
      journal.settle(first);
      passTime(61);
      const failing = jest.spyOn(fs, 'openSync').mockImplementationOnce(() => {
        throw new Error('no space left on device');
      });
      journal.renew();
      expect(failing).toHaveBeenCalledTimes(1);
      journal.append(third);
      expect(content()).toContain(first.ref);
      expect(start().unsettled).toEqual([second, third]);
      journal.renew();
      expect(content()).not.toContain(first.id);
    });
  });

  it('keeps an open entry at any file size', () => {
    const journal = start();
    journal.append(first);
    for (let attempt = 10; attempt <= 25; attempt += 1) {
      const long = { ...second, attempt, correlationId: 'x'.repeat(100_000) };
      journal.append(long);
      journal.settle(long);
    }
    expect(start().unsettled).toEqual([first]);
  });

  it('keeps entries in memory when the disk is full, and reports it', () => {
    const journal = new Journal(journals.path);
    expect(() => {
      journal.append(first);
    }).toThrow();
    expect(journal.unsettled).toEqual([first]);
  });

  it('removes its file at the end if no entry is open', () => {
    const journal = start();
    journal.append(first);
    journal.settle(first);
    journal.stop();
    journal.stop();
    expect(journals.files).toEqual([]);
  });

  it('is readable by its owner only', () => {
    start().append(first);
    expect(statSync(journals.path).mode & 0o077).toBe(0);
    expect(statSync(ownFile()).mode & 0o077).toBe(0);
  });
});
