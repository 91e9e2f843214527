import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '../support/client';
import { likeness, type CommandResult } from '../support/command-line';
import { TestGateway } from '../support/gateway';

jest.setTimeout(120_000);

describe('a command that is run twice at the same time', () => {
  let gateway: TestGateway;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'likeness-at-once-'));
    gateway = await TestGateway.start();
    await new Client(() => gateway.url).settle();
  });
  afterAll(async () => {
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Both have the same process id, as processes of two containers may have. */
  const twice = (...words: string[]): Promise<CommandResult[]> => {
    const settings = { DATABASE_URL: gateway.databaseUrl, DATA_DIR: gateway.dataDir };
    return Promise.all([likeness(settings, ...words), likeness(settings, ...words)]);
  };

  it('makes one backup in a folder, and refuses the other', async () => {
    const target = join(folder, 'backup');
    await mkdir(target);
    const results = await twice('backup', target);
    const problems = results.filter(({ code }) => code !== 0).map(({ remarks }) => remarks);
    expect(problems).toEqual([expect.stringContaining(`${target} is not empty. Name a new folder`)]);
  });

  it('writes a register twice', async () => {
    const file = join(folder, 'models.jsonl');
    const results = await twice('export', '--out', file);
    const exported = { code: 0, remarks: '1 models exported.' };
    expect(results).toMatchObject([exported, exported]);
    expect((await readFile(file, 'utf8')).split('\n')).toHaveLength(2);
  });
});
