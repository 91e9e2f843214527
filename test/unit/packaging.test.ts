import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { settingNames } from '../../src/config';
import { type ConfigError, readConfig } from '../../src/read-config';

const root = resolve(__dirname, '../..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');

/** The settings of `.env.example`, which are all commented out. */
const examples = [...read('.env.example').matchAll(/^#([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name, value]) => ({
  name: name!,
  value: value!,
}));

/** Settings of compose.yaml itself. */
const ofCompose = ['POSTGRES_PASSWORD'];

describe('.env.example', () => {
  it('has each setting once', () => {
    const names = examples.map(({ name }) => name);
    expect(names.sort()).toEqual([...settingNames, ...ofCompose].sort());
  });

  it.each(examples.filter(({ name, value }) => value !== '' && !ofCompose.includes(name)))(
    'has a valid example of $name',
    ({ name, value }) => {
      let problems: readonly string[] = [];
      try {
        readConfig({ [name]: value });
      } catch (error) {
        problems = (error as ConfigError).problems;
      }
      // Some settings need others; a text that cannot be read is reported alone.
      const unreadable = problems.filter((problem) => problem.startsWith(`${name} is not a `));
      expect(unreadable).toEqual([]);
    },
  );
});

describe('the container', () => {
  it('has settings with which the gateway starts', () => {
    const [block] = /^ENV (?:.*\\\n)*.*$/m.exec(read('Dockerfile'))!;
    const environment = Object.fromEntries(
      [...block.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value]),
    ) as Record<string, string>;
    expect(environment).toMatchObject({ HOST: '0.0.0.0', AUTH: 'keys' });
    expect(readConfig(environment)).toMatchObject({ PORT: 4000, DATA_DIR: '/var/lib/likeness' });
  });

  it('runs on a version of Node that is tested', () => {
    const [, version] = /^FROM node:(\d+)/m.exec(read('Dockerfile'))!;
    const [, tested] = /node: \[([\d, ]+)\]/.exec(read('.github/workflows/ci.yml'))!;
    expect(tested!.split(', ')).toEqual(expect.arrayContaining(['20', '22', '24', version]));
  });
});

it('the workflow keeps the screenshots of the browser tests', () => {
  const [, path] = /upload-artifact[^]*path: (\S+)/.exec(read('.github/workflows/ci.yml'))!;
  expect(read('test/browser/studio-page.ts')).toContain(`'../../${path!}'`);
});

it('the systemd unit waits as long as docs/operations.md says', () => {
  const unit = read('ops/likeness.service');
  const timeoutMs = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)![1]) * 1_000;
  const { SUBMIT_TIMEOUT, SHUTDOWN_GRACE } = readConfig({});
  expect(timeoutMs).toBeGreaterThanOrEqual(SUBMIT_TIMEOUT + 2 * SHUTDOWN_GRACE);
  const environment = [...unit.matchAll(/^Environment=(.*)$/gm)].flatMap(([, text]) => text!.split(' '));
  expect(environment).toContain('DATA_DIR=/var/lib/likeness');
});
