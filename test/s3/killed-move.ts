import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { S3Server } from '../support/s3-server';
import { TcpProxy } from '../support/servers';
import { until } from '../support/until';

const program = resolve(__dirname, '../../dist/cli/likeness.js');

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
