import { Command, CommanderError } from 'commander';
import { jobKinds } from '../generations/generation.kind';
import { backupCommand } from './backup.command';
import { demoCommand } from './demo.command';
import { doctorCommand } from './doctor.command';
import { eventsCommand } from './events.command';
import { allJobsCommand, cancelCommand, deleteCommand, retryCommand } from './job-changes.command';
import { jobsCommand } from './jobs.command';
import { keysCommand } from './keys.command';
import { mediaCommand } from './media.command';
import { messageOf } from './messages';
import { moneyCommand } from './money.command';
import { exportCommand, importCommand } from './register.command';
import { restoreCommand } from './restore.command';
import { sandboxCommand } from './sandbox.command';
import { migrateCommand, schemaCommand } from './schema.command';
import { CommandError, type Shell } from './shell';
import { statusCommand } from './status.command';
import { uncertainCommand } from './uncertain.command';
import { ledgerCommand, pauseCommands, upstreamCommand } from './upstream.command';
import { webhooksCommand } from './webhooks.command';

/**
 * Runs a command of the operator's command line.
 * @param args - the command-line arguments
 * @returns the exit code: 0, or 1 after a line on standard error
 */
export async function runProgram(args: readonly string[], shell: Shell): Promise<number> {
  const program = new Command('likeness').description('Operator commands for Likeness.');
  const commands = [
    doctorCommand(shell),
    statusCommand(shell),
    allJobsCommand(shell),
    ...jobKinds.map((kind) => jobsCommand(shell, kind)),
    ...[retryCommand(shell), cancelCommand(shell), deleteCommand(shell)],
    uncertainCommand(shell),
    ...pauseCommands(shell),
    upstreamCommand(shell),
    ledgerCommand(shell),
    moneyCommand(shell),
    keysCommand(shell),
    webhooksCommand(shell),
    eventsCommand(shell),
    backupCommand(shell),
    restoreCommand(shell),
    mediaCommand(shell),
    exportCommand(shell),
    importCommand(shell),
    migrateCommand(shell),
    schemaCommand(shell),
    sandboxCommand(shell),
    demoCommand(shell),
  ];
  for (const command of commands) program.addCommand(command);
  program.hook('preAction', (_, { args }) => assertNoneEmpty(args));
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

/** An empty folder would be the current one. */
function assertNoneEmpty(args: readonly string[]): void {
  if (args.includes(''))
    throw new CommandError('An argument is empty. Check the variables that the command was made with.');
}
