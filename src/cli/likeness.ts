#!/usr/bin/env node
import 'reflect-metadata';
import { runProgram } from './program';

/** The operator's command line: `npm run likeness -- <command>`; `--help` lists the commands. */
async function main(): Promise<void> {
  let failure: NodeJS.ErrnoException | undefined;
  // A command ends as usual, such as with its database stopped, and one that waits for more ends now.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    failure ??= error;
    process.emit('SIGPIPE');
  });
  process.stderr.on('error', () => undefined);
  const code = await runProgram(process.argv.slice(2), {
    environment: process.env,
    print: (text) => void process.stdout.write(`${text}\n`),
    remark: (text) => void process.stderr.write(`${text}\n`),
    ...(process.stderr.isTTY && { progress: (text) => void process.stderr.write(`\r\u001b[K${text}`) }),
  });
  if (code !== 0) process.exitCode = code;
  // EPIPE is no error: the reader has enough, as in `likeness jobs | head -1`.
  process.once('exit', () => {
    if (failure === undefined || failure.code === 'EPIPE') return;
    process.stderr.write(`likeness: The output could not be written (${failure.code}).\n`);
    process.exitCode = 1;
  });
}

void main();
