import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { elapsedSince } from '../../src/core/clock';
import type { S3Server } from '../support/s3-server';
import { TcpProxy } from '../support/servers';
import { until } from '../support/until';

const program = resolve(__dirname, '../../dist/cli/likeness.js');
const failpoints = resolve(__dirname, '../support/failpoints.cjs');

/** Stores an object that does not end, in chunks of 1 MB. */
export const endlessPut = `
  const { S3Store } = require(${JSON.stringify(resolve(__dirname, '../../dist/storage/s3-store'))});
  const [endpoint, key] = process.argv.slice(1);
  const credentials = { accessKeyId: 'test:tester', secretAccessKey: 'testing' };
  const store = new S3Store({ bucket: 'contract', endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  async function* chunks() {
    for (;;) {
      process.stdout.write('.');
      yield Buffer.alloc(1_000_000);
      await new Promise((resume) => setTimeout(resume, 20));
    }
  }
  void store.put(key, chunks(), 1e12);
`;

/** Starts to move pictures to a bucket, and kills the command with SIGKILL when the server receives the fourth. */
export async function killMove(server: S3Server, settings: Readonly<Record<string, string>>): Promise<void> {
  let puts = 0;
  const proxy = new TcpProxy(new URL(server.url), () => (chunk) => {
    if (chunk.toString('latin1', 0, 4) === 'PUT ') puts += 1;
  });
  await proxy.open();
  const env = { ...process.env, ...settings, S3_ENDPOINT: proxy.url };
  const words = ['media', 'move', '--from', 'disk', '--to', 's3'];
  const command = spawn(process.execPath, [program, ...words], { env, stdio: 'ignore' });
  const ended = once(command, 'exit');
  await until(() => puts > 3);
  command.kill('SIGKILL');
  await ended;
  await proxy.close();
}

/** Suspends `media move --delete` from a bucket to the disk before its first deletion, until `meanwhile` has ended. */
export async function suspendMove(
  settings: Readonly<Record<string, string>>,
  meanwhile: () => Promise<void>,
): Promise<{ code: unknown; remarks: string }> {
  const words = ['media', 'move', '--from', 's3', '--to', 'disk', '--delete'];
  const command = spawn(process.execPath, ['-r', failpoints, program, ...words], {
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const remarks = text(command.stderr!);
  const ended = once(command, 'exit');
  const reached = reachedBy(command, 'media:verified');
  command.send({ arm: 'media:verified', nth: 1 });
  await reached;
  command.kill('SIGSTOP');
  const elapsedMs = elapsedSince();
  await meanwhile();
  await until(() => elapsedMs() > noticedMs);
  command.kill('SIGCONT');
  command.send({ release: true });
  const [code] = (await ended) as unknown[];
  return { code, remarks: await remarks };
}

/** A suspension for this long is noticed, in milliseconds. */
const noticedMs = 5_500;

function reachedBy(command: ChildProcess, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    command.on('message', ({ reached }: { reached?: string }) => reached === name && resolve());
    command.on('exit', () => reject(new Error(`It ended before ${name}.`)));
  });
}
