import { Command, CommanderError } from 'commander';
import { jobKinds } from '../generations/generation.kind';
import { demoCommand } from './demo.command';
import { jobsCommand, retryCommand } from './jobs.command';
import { keysCommand } from './keys.command';
import { sandboxCommand } from './sandbox.command';
import { migrateCommand, schemaCommand } from './schema.command';
import type { Shell } from './shell';
import { statusCommand } from './status.command';
import { ledgerCommand, upstreamCommand } from './upstream.command';

/**
 * Runs a command of the operator's command line.
 * @param args - the command-line arguments
 * @returns the exit code: 0, or 1 after a line on standard error
 */
export async function runProgram(args: readonly string[], shell: Shell): Promise<number> {
  const program = new Command('likeness').description('Operator commands for Likeness.');
  const commands = [
    keysCommand(shell),
    ...jobKinds.map((kind) => jobsCommand(shell, kind)),
    retryCommand(shell),
    statusCommand(shell),
    ledgerCommand(shell),
    upstreamCommand(shell),
    migrateCommand(shell),
    schemaCommand(shell),
    sandboxCommand(shell),
    demoCommand(shell),
  ];
  for (const command of commands) program.addCommand(command);
  redirectOutput(program, shell);
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has already printed the error or help text.
    if (error instanceof CommanderError) return error.exitCode;
    shell.remark(`likeness: ${messageOf(error)}`);
    return 1;
  }
}

/** Redirects commander's output to the shell and prevents it from exiting the process. */
function redirectOutput(command: Command, shell: Shell): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => shell.print(text.trimEnd()),
    writeErr: (text) => shell.remark(text.trimEnd()),
  });
  for (const child of command.commands) redirectOutput(child, shell);
}

/** Messages for errors of PostgreSQL and the network, by code. */
const messages: Readonly<Record<string, string>> = {
  '42P01': 'The database schema has a different version. Start this version of the gateway once.',
  '42703': 'The database schema has a different version. Start this version of the gateway once.',
  ECONNREFUSED: 'The database cannot be reached. Check DATABASE_URL, or start the database.',
  ENOTFOUND: 'The database cannot be reached. Check DATABASE_URL.',
  SERVICE_UNAVAILABLE: 'The database is unavailable. Retry in a few seconds.',
};

function messageOf(error: unknown): string {
  const code = String((error as { code?: unknown }).code);
  const known = Object.hasOwn(messages, code) ? messages[code] : undefined;
  return known ?? (error instanceof Error ? error.message : 'Non-Error value thrown.');
}
