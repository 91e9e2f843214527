import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Journal, type JournalEntry } from '../../src/jobs/journal';

const project = resolve(__dirname, '../..');
const entries: JournalEntry[] = ['ref-1', 'référence-☃', 'ref-3'].map((ref, index) => ({
  table: index === 1 ? 'generations' : 'models',
  id: `0189000${index}-0000-7000-8000-000000000000`,
  attempt: index + 1,
  provider: 'picsart',
  ref,
  correlationId: `correlation-${index}`,
}));
const [first, second, third] = entries as [JournalEntry, JournalEntry, JournalEntry];

/** As the journal writes them. */
const line = (value: object): string => `\n${JSON.stringify(value)}\n`;
const settled = ({ table, id, attempt }: JournalEntry): object => ({ settled: `${table}/${id}/${attempt}` });

/** The number of a process that has ended. */
const deadPid = spawnSync(process.execPath, ['-e', '0']).pid;

describe('the journal', () => {
  let folder: string;
  const opened: Journal[] = [];

  /** As at the start of a gateway. Its file has the name of the one before, like that of a container's only process. */
  const start = (): Journal => {
    const journal = new Journal(folder);
    journal.start();
    opened.push(journal);
    return journal;
  };

  const fileOf = (host: string, pid: number): string => join(folder, `submissions-${host}-${pid}.ndjson`);
  const ownFile = (): string => fileOf(hostname(), process.pid);

  /** What an earlier process wrote. */
  const leave = (path: string, text: string | Uint8Array): void => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, text);
  };

  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'likeness journal ')), 'journal');
  });

  afterEach(() => {
    opened.splice(0).forEach((journal) => journal.stop());
    rmSync(resolve(folder, '..'), { recursive: true });
  });

  it('remembers what was appended and forgets what was settled', () => {
    const before = start();
    entries.forEach((entry) => before.append(entry));
    before.settle(second);
    expect(before.unsettled).toEqual([first, third]);
    expect(start().unsettled).toEqual([first, third]);
  });

  it('survives a process that is killed right after it', () => {
    const program = `
      const { Journal } = require(${JSON.stringify(join(project, 'src/jobs/journal.ts'))});
      const journal = new Journal(${JSON.stringify(folder)});
      journal.start();
      const [first, second, third] = ${JSON.stringify(entries)};
      journal.append(first); journal.append(second); journal.settle(first); journal.append(third);
      process.kill(process.pid, 'SIGKILL');`;
    const { signal, pid } = spawnSync(process.execPath, ['-r', '@swc-node/register', '-e', program], {
      cwd: project,
    });
    expect(signal).toBe('SIGKILL');
    expect(start().unsettled).toEqual([second, third]);
    expect(existsSync(fileOf(hostname(), pid))).toBe(false);
  });

  it('loses no earlier entry wherever the last line was torn', () => {
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
    for (let length = 0; length <= whole.length; length += 1) {
      leave(fileOf(hostname(), deadPid), whole.subarray(0, length));
      const journal = new Journal(folder);
      journal.start();
      const isWhole = ends.map((end) => length >= end);
      const wanted = entries.filter((_, index) => isWhole[index] && !(index === 0 && isWhole[3]));
      expect({ length, unsettled: journal.unsettled }).toEqual({ length, unsettled: wanted });
      journal.stop();
      rmSync(ownFile(), { force: true });
    }
  });

  it('loses nothing of what is appended after a torn line', () => {
    leave(fileOf(hostname(), process.pid), line(first) + line(second).slice(0, -20));
    start().append(third);
    expect(start().unsettled).toEqual([first, third]);
  });

  it.each(['nonsense', '{}', 'null', '5', '"text"', '[]', '{"table":"owners","id":"x"}', '\0\0\0\0'])(
    'passes over a line that is none of its own: %j',
    (text) => {
      leave(fileOf(hostname(), deadPid), `${line(first)}${text}\n${line(second)}`);
      expect(start().unsettled).toEqual([first, second]);
    },
  );

  it('adopts the files of processes that died, and removes them only then', () => {
    leave(fileOf(hostname(), deadPid), line(first));
    const journal = start();
    expect(journal.unsettled).toEqual([first]);
    expect(readdirSync(folder)).toEqual([`submissions-${hostname()}-${process.pid}.ndjson`]);
    expect(readFileSync(ownFile(), 'utf8')).toContain(first.ref);
  });

  it('leaves the file of a process that lives to it, and yet knows what stands there', () => {
    const living = fileOf(hostname(), process.ppid);
    leave(living, line(first) + line(second) + line(settled(first)));
    const text = readFileSync(living, 'utf8');
    // The number of a dead gateway may have gone to another program: its ids must not wait for that one's end.
    expect(start().unsettled).toEqual([second]);
    expect(readFileSync(living, 'utf8')).toBe(text);
  });

  it('leaves the file of another machine to it until a day has passed without a line', () => {
    const foreign = fileOf('another-machine', 1);
    leave(foreign, line(first));
    expect(start().unsettled).toEqual([first]);
    expect(existsSync(foreign)).toBe(true);
    const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
    utimesSync(foreign, twoDaysAgo, twoDaysAgo);
    expect(start().unsettled).toEqual([first]);
    expect(existsSync(foreign)).toBe(false);
  });

  it('goes on in a file of its own when somebody has removed the one it had', () => {
    const journal = start();
    journal.append(first);
    rmSync(ownFile());
    journal.append(second);
    expect(start().unsettled).toEqual([first, second]);
  });

  it('starts beside a half-made file of a start that was killed', () => {
    start().append(first);
    leave(`${ownFile()}.new`, line(third));
    expect(start().unsettled).toEqual([first]);
  });

  it('does not grow without end while all that it holds is settled', () => {
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

  it('keeps an entry that is open, however long it grows', () => {
    const journal = start();
    journal.append(first);
    for (let attempt = 10; attempt <= 25; attempt += 1) {
      const long = { ...second, attempt, correlationId: 'x'.repeat(100_000) };
      journal.append(long);
      journal.settle(long);
    }
    expect(start().unsettled).toEqual([first]);
  });

  it('keeps in memory what the disk cannot take, and says so', () => {
    const journal = new Journal(folder);
    expect(() => {
      journal.append(first);
    }).toThrow();
    expect(journal.unsettled).toEqual([first]);
  });

  it('leaves no file when nothing is open at its end', () => {
    const journal = start();
    journal.append(first);
    journal.settle(first);
    journal.stop();
    journal.stop();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is for nobody else to read', () => {
    start().append(first);
    expect(statSync(folder).mode & 0o077).toBe(0);
    expect(statSync(ownFile()).mode & 0o077).toBe(0);
  });
});
