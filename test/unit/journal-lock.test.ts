import fs, { existsSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Journal } from '../../src/jobs/journal';
import type { JournalEntry } from '../../src/jobs/journal-lines';
import { entries, JournalFolder, line, settled } from '../support/journal-folder';

const [first, second, third] = entries as [JournalEntry, JournalEntry, JournalEntry];

describe('a journal file', () => {
  let journals: JournalFolder;
  const start = (orphanedMs?: number): Journal => journals.start(orphanedMs);

  beforeEach(() => {
    journals = new JournalFolder();
  });

  afterEach(() => journals.remove());

  it('separates two processes with the same host name and process id, and loses no id of either', () => {
    const [one, other] = [start(), start()];
    one.append(first);
    other.append(second);
    other.settle(second);
    other.stop();
    expect(journals.textOf(one)).toContain(first.ref);
    expect(journals.textOf(one)).not.toContain(second.ref);
    expect(start().unsettled).toEqual([first]);
  });

  it('adopts the unchanged file of another process, and then removes it', () => {
    const dead = start();
    dead.append(first);
    const journal = start();
    dead.append(second);
    journal.adopt();
    expect(existsSync(journals.fileOf(dead))).toBe(true);
    journal.adopt();
    expect(journal.unsettled).toEqual([first, second]);
    expect(journals.files).toHaveLength(1);
    expect(readFileSync(join(journals.path, journals.files[0]!), 'utf8')).toContain(second.ref);
    expect(start().unsettled).toEqual([first, second]);
  });

  it('does not adopt an id that it has settled since it first read the orphaned file', () => {
    const exited = start();
    exited.append(first);
    const journal = start();
    journal.settle(first);
    exited.append(second);
    journal.adopt();
    journal.adopt();
    expect(journal.unsettled).toEqual([second]);
  });

  it('does not adopt the file of a process that renews it, not even within one millisecond', () => {
    const [living, journal] = [start(), start()];
    living.append(first);
    for (let time = 0; time < 20; time += 1) {
      journal.adopt();
      living.renew();
    }
    expect(existsSync(journals.fileOf(living))).toBe(true);
    expect(journal.unsettled).toEqual([]);
    expect(journals.textOf(living)).toContain(first.ref);
  });

  it('does not adopt a file that is unchanged for less than the required time', () => {
    const [living, journal] = [start(), start(600_000)];
    living.append(first);
    for (let time = 0; time < 5; time += 1) journal.adopt();
    expect(journal.unsettled).toEqual([]);
    expect(existsSync(journals.fileOf(living))).toBe(true);
  });

  it('renews its file automatically', async () => {
    const journal = start();
    const path = journals.fileOf(journal);
    const before = statSync(path).mtimeMs;
    for (let time = 0; time < 500 && statSync(path).mtimeMs === before; time += 1) await pause(20);
    expect(statSync(path).mtimeMs).toBeGreaterThan(before);
  });

  it('loses no entry of a running process whose file was adopted', () => {
    const sleeper = start();
    sleeper.append(first);
    const journal = start();
    journal.adopt();
    journal.adopt();
    expect(journals.files).toHaveLength(1);
    sleeper.append(second);
    expect(start().unsettled).toEqual([first, second]);
  });

  it('writes an entry again if its file is adopted during the write', () => {
    const [writer, journal] = [start(), start()];
    journal.adopt();
    // The other process read the file before the entry was written, and removes it.
    const sync = jest.spyOn(fs, 'fsyncSync').mockImplementationOnce(() => {
      rmSync(journals.fileOf(writer));
    });
    writer.append(first);
    sync.mockRestore();
    expect(start().unsettled).toEqual([first]);
  });

  it('writes an entry again if its new file is adopted before it contains the entry', () => {
    const [writer, journal] = [start(), start()];
    journal.adopt();
    journal.adopt();
    const { openSync } = fs;
    const open = jest.spyOn(fs, 'openSync').mockImplementationOnce((...parameters) => {
      const file = openSync(...parameters);
      // The process is suspended here.
      journal.adopt();
      journal.adopt();
      return file;
    });
    writer.append(first);
    open.mockRestore();
    expect(start().unsettled).toEqual([first]);
  });

  it('resumes an interrupted adoption', () => {
    const dead = start();
    dead.append(first);
    const journal = start();
    journal.adopt();
    const failing = jest.spyOn(fs, 'fsyncSync').mockImplementationOnce(() => {
      throw new Error('no space left on device');
    });
    expect(() => journal.adopt()).toThrow('no space left');
    failing.mockRestore();
    expect(start().unsettled).toEqual([first]);
    journal.adopt();
    journal.adopt();
    expect(journal.unsettled).toEqual([first]);
  });

  it('syncs each line before it returns, and each new file with its folder', () => {
    const synced: string[] = [];
    const { fsyncSync } = fs;
    const spy = jest.spyOn(fs, 'fsyncSync').mockImplementation((descriptor) => {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`);
      synced.push(statSync(path).isDirectory() ? 'folder' : readFileSync(path, 'utf8'));
      fsyncSync(descriptor);
    });
    try {
      journals.leave(journals.foreignFile(), line(third));
      const journal = start();
      expect(synced).toEqual([expect.stringContaining(third.ref), 'folder']);
      journal.append(first);
      expect(synced.slice(2)).toEqual([expect.stringContaining(`${JSON.stringify(first)}\n`)]);
      journal.settle(first);
      expect(synced.slice(3)).toEqual([expect.stringContaining(line(settled(first)))]);
    } finally {
      spy.mockRestore();
    }
  });

  it('writes entries that a full disk refused as soon as it can', () => {
    const journal = start();
    const spy = jest.spyOn(fs, 'writeSync').mockImplementation(() => {
      throw Object.assign(new Error('No space left on device'), { code: 'ENOSPC' });
    });
    try {
      expect(() => journal.append(first)).toThrow('No space');
      expect(() => journal.retryWrites()).toThrow('No space');
    } finally {
      spy.mockRestore();
    }
    expect(journal.unsettled).toEqual([first]);
    // That a later entry could be written does not mean that the file has the earlier ones.
    journal.append(second);
    journal.retryWrites();
    expect(start().unsettled).toEqual([first, second]);
  });

  it('needs no more space for the ids of paid calls than it has reserved before them', () => {
    const journal = start();
    journal.reserve();
    const size = (): number => statSync(journals.fileOf(journal)).size;
    const reserved = size();
    const { writeSync } = fs;
    const full = jest.spyOn(fs, 'writeSync').mockImplementation((...parameters: unknown[]) => {
      const [file, bytes, at, length, position] = parameters as [number, Uint8Array, number, number, number];
      if (position + length > size())
        throw Object.assign(new Error('No space left on device'), { code: 'ENOSPC' });
      return writeSync(file, bytes, at, length, position);
    });
    try {
      // As many calls as can be in flight at a time, and what is reserved for them.
      for (let attempt = 1; attempt <= 32; attempt += 1) {
        journal.append({ ...first, attempt });
        journal.settle({ ...first, attempt });
        journal.append({ ...first, attempt: attempt + 100 });
      }
      expect(size()).toBe(reserved);
      const fill = { ...second, correlationId: 'x'.repeat(40_000) };
      expect(() => {
        for (let attempt = 200; attempt < 203; attempt += 1) journal.append({ ...fill, attempt });
      }).toThrow('No space');
      expect(() => journal.reserve()).toThrow('No space');
    } finally {
      full.mockRestore();
    }
    journal.reserve();
    expect(start().unsettled).toHaveLength(journal.unsettled.length);
  });

  it('writes such entries when it is stopped', () => {
    const journal = start();
    const spy = jest.spyOn(fs, 'writeSync').mockImplementation(() => {
      throw Object.assign(new Error('No space left on device'), { code: 'ENOSPC' });
    });
    expect(() => journal.append(first)).toThrow('No space');
    spy.mockRestore();
    journal.stop();
    expect(start().unsettled).toEqual([first]);
  });
});
