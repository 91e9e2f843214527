import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Command } from 'commander';
import { audit } from '../accounts/audit.repository';
import type { Sql } from '../core/sql';
import { jsonOf } from './printout';
import { LineProblems, readRegister, type NumberedLine } from './register-lines';
import { findRegistered, hasModel, insertRegistered, registeredModels } from './register.repository';
import { CommandError, operatorFor, withDatabase, type Shell } from './shell';

/** `likeness export`: writes the register of models, so that none that was paid for is lost with the database. */
export function exportCommand(shell: Shell): Command {
  return new Command('export')
    .description('write the register of models as JSON lines: provider ids, owners, names, hashes of avatars')
    .option('--out <file>', 'the file (default: standard output)')
    .option('--owner <owner>', 'only models of this owner')
    .action(({ out, owner }: { out?: string; owner?: string }) =>
      withDatabase(shell, async ({ database }) => {
        let count = 0;
        const lines = async function* (): AsyncGenerator<string> {
          for await (const models of registeredModels(database, owner ?? null)) {
            count += models.length;
            yield models.map((model) => `${JSON.stringify(model)}\n`).join('');
          }
        };
        if (out === undefined) for await (const text of lines()) shell.print(text.trimEnd());
        else await pipeline(Readable.from(lines()), createWriteStream(out, { mode: 0o600 }));
        shell.remark(`${count} models exported.`);
      }),
    );
}

/** `likeness import <file>`: adds the models of a register. */
export function importCommand(shell: Shell): Command {
  return new Command('import')
    .description('add models of a register, such as of `likeness export`; all or none, and repeatable')
    .argument('<file>', 'JSON lines')
    .option('--json', 'print JSON')
    .action((file: string, { json = false }: { json?: boolean }) => importRegister(shell, file, json));
}

/** What an import has done. */
interface ImportResult {
  readonly added: string[];
  /** The number of models that the database had already. */
  readonly unchanged: number;
}

async function importRegister(shell: Shell, file: string, asJson: boolean): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new CommandError(`${file} cannot be read (${(error as { code?: string }).code}).`, {
      cause: error,
    });
  });
  const problems = new LineProblems();
  const lines = readRegister(text, problems);
  problems.throwIfAny();
  const result = await withDatabase(
    shell,
    ({ database, config }) => database.transaction((sql) => addModels(sql, lines, config.TRAINING_DEADLINE)),
    true,
  );
  if (asJson) shell.print(jsonOf(result));
  else shell.print(`${result.added.length} models added, ${result.unchanged} were known.`);
}

async function addModels(
  sql: Sql,
  lines: readonly NumberedLine[],
  deadlineMs: number,
): Promise<ImportResult> {
  const problems = new LineProblems();
  const added: string[] = [];
  for (const { number, model } of lines) {
    const known = await findRegistered(sql, model);
    if (known?.owner === model.owner) continue;
    if (known) {
      problems.add(
        number,
        `providerRef belongs to ${known.id} of another owner, ${known.owner}. Correct the owner, or remove the line.`,
      );
      continue;
    }
    if (model.id !== undefined && (await hasModel(sql, model.id))) {
      problems.add(
        number,
        'id is that of a model with another providerRef. Remove the id to add it as a new model.',
      );
      continue;
    }
    const id = await insertRegistered(sql, model, deadlineMs);
    await audit(sql, operatorFor(model.owner), { action: 'importModel', subject: id });
    added.push(id);
  }
  problems.throwIfAny();
  return { added, unchanged: lines.length - added.length };
}
