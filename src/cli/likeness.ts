#!/usr/bin/env node
import 'reflect-metadata';
import { runProgram } from './program';

/** The operator's command line: `npm run likeness -- <command>`; `--help` lists the commands. */
async function main(): Promise<void> {
  // As in `likeness jobs | head -1`: the command ends as usual, without an error, and one that waits for more ends now.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.emit('SIGTERM');
  });
  const code = await runProgram(process.argv.slice(2), {
    environment: process.env,
    print: (text) => void process.stdout.write(`${text}\n`),
    remark: (text) => void process.stderr.write(`${text}\n`),
    ...(process.stderr.isTTY && { progress: (text) => void process.stderr.write(`\r\u001b[K${text}`) }),
  });
  if (code !== 0) process.exitCode = code;
}

void main();
