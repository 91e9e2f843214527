import { Command, CommanderError } from 'commander';
import { demoCommand } from './demo.command';
import { jobsCommand } from './jobs.command';
import { keysCommand } from './keys.command';
import { ledgerCommand } from './ledger.command';
import { migrateCommand } from './migrate.command';
import { retryCommand } from './retry.command';
import { sandboxCommand } from './sandbox.command';
import { schemaCommand } from './schema.command';
import type { Shell } from './shell';
import { statusCommand } from './status.command';
import { upstreamCommand } from './upstream.command';

/**
 * Runs one command of the operator's command line.
 * @param words - what was typed after `likeness`
 * @returns the exit code: 0, or 1 after one line on the error output
 */
export async function runProgram(words: readonly string[], shell: Shell): Promise<number> {
  const program = new Command('likeness').description('The operator’s way into Likeness.');
  const commands = [
    keysCommand(shell),
    jobsCommand(shell, 'models'),
    jobsCommand(shell, 'generations'),
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
  listenIn(program, shell);
  try {
    await program.parseAsync(words, { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has said already what was wrong with the words, or what help there is.
    if (error instanceof CommanderError) return error.exitCode;
    shell.remark(`likeness: ${sentenceOf(error)}`);
    return 1;
  }
}

/** Lets commander speak through the shell and end nothing by itself. */
function listenIn(command: Command, shell: Shell): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => shell.print(text.trimEnd()),
    writeErr: (text) => shell.remark(text.trimEnd()),
  });
  for (const child of command.commands) listenIn(child, shell);
}

/** What errors of PostgreSQL and of the network mean for whoever typed a command, by their code. */
const sentences: Readonly<Record<string, string>> = {
  '42P01': 'The database has another version than this program. Start this version of the gateway once.',
  '42703': 'The database has another version than this program. Start this version of the gateway once.',
  ECONNREFUSED: 'The database cannot be reached. Look at DATABASE_URL, or start it.',
  ENOTFOUND: 'The database cannot be reached. Look at DATABASE_URL.',
  SERVICE_UNAVAILABLE: 'The database cannot be used right now. Try again in a few seconds.',
};

function sentenceOf(error: unknown): string {
  const code = String((error as { code?: unknown }).code);
  const known = Object.hasOwn(sentences, code) ? sentences[code] : undefined;
  return known ?? (error instanceof Error ? error.message : 'Non-Error value thrown.');
}
