import { once } from 'node:events';
import { Command, InvalidArgumentError } from 'commander';
import { createLogger } from '../core/logger';
import { startSandbox } from '../sandbox/sandbox';
import { createNamedFolder } from './command-files';
import type { Shell } from './shell';

interface SandboxOptions {
  host: string;
  port: number;
  speed: number;
  dir?: string;
  key?: string;
  forget?: boolean;
}

/** `likeness sandbox`: runs the sandbox upstream standalone, as a test double for clients of Picsart's AI Avatar API. */
export function sandboxCommand(shell: Shell): Command {
  return new Command('sandbox')
    .description('run the sandbox standalone: a server with Picsart’s API that trains in seconds, without AI')
    .option('--host <host>', 'listen address', '127.0.0.1')
    .option('--port <port>', 'listen port; 0 selects a free port', readPort, 4010)
    .option('--speed <factor>', 'speed relative to the real service', readSpeed, 60)
    .option('--dir <folder>', 'data folder (default: in memory)')
    .option('--key <key>', 'required API key (default: a new key)')
    .option('--forget', 'delete stored data at start')
    .action((options: SandboxOptions) => run(shell, options));
}

/** Runs until SIGINT or SIGTERM. */
async function run(shell: Shell, { key, forget, ...options }: SandboxOptions): Promise<void> {
  if (options.dir !== undefined) await createNamedFolder(options.dir);
  const sandbox = await startSandbox({
    ...options,
    apiKey: key,
    forgetOnStart: forget,
    logger: createLogger('warn'),
  });
  shell.print(
    [
      `The sandbox is ready: ${sandbox.url}`,
      `  X-Picsart-API-Key: ${sandbox.apiKey}`,
      `  PICSART_BASE_URL=${sandbox.url} PICSART_API_KEY=${sandbox.apiKey} POLL_SPEED=${options.speed} npm start`,
    ].join('\n'),
  );
  const stopListening = new AbortController();
  const { signal } = stopListening;
  await Promise.race([once(process, 'SIGINT', { signal }), once(process, 'SIGTERM', { signal })]);
  stopListening.abort();
  await sandbox.stop();
}

function readPort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError('Write a number from 0 to 65535.');
}

function readSpeed(text: string): number {
  const speed = Number(text);
  if (Number.isFinite(speed) && speed > 0) return speed;
  throw new InvalidArgumentError('Write a number like 60.');
}
