#!/usr/bin/env node
import 'reflect-metadata';
import { runProgram } from './program';

/** The operator's command line: `npm run likeness -- <command>`; `--help` lists the commands. */
async function main(): Promise<void> {
  const code = await runProgram(process.argv.slice(2), {
    environment: process.env,
    print: (text) => void process.stdout.write(`${text}\n`),
    remark: (text) => void process.stderr.write(`${text}\n`),
    ...(process.stderr.isTTY && { progress: (text) => void process.stderr.write(`\r\u001b[K${text}`) }),
  });
  if (code !== 0) process.exitCode = code;
}

void main();
