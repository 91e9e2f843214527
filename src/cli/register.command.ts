import { Command } from 'commander';
import { audit } from '../accounts/audit.repository';
import { toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import { JobRepository } from '../jobs/job.repository';
import { settleWithin } from '../jobs/operator-settlement';
import type { ModelEntity } from '../models/model.entity';
import { modelKind } from '../models/model.kind';
import { writePrivateFile } from './command-files';
import { jsonOf } from './printout';
import { readRegister } from './register-file';
import { FormerRegister } from './register-former';
import { LineProblems, type NumberedLine, type RegisterLine } from './register-lines';
import {
  awaitOtherImports,
  findModel,
  findRegistered,
  hasStream,
  insertRegistered,
  registeredModels,
} from './register.repository';
import { operatorFor, withDatabase, type OperatorContext, type Shell } from './shell';

/** `likeness export`: writes the register of models, so that none that was paid for is lost with the database. */
export function exportCommand(shell: Shell): Command {
  return new Command('export')
    .description('write the register of models as JSON lines: provider ids, owners, names, hashes of avatars')
    .option('--out <file>', 'the file (default: standard output)')
    .option('--owner <owner>', 'only models of this owner')
    .option('--replace', 'replace the file also if it has models that are not exported')
    .action(({ out, owner, replace }: { out?: string; owner?: string; replace?: true }) =>
      withDatabase(shell, async ({ database }) => {
        const former = out === undefined || replace ? null : await FormerRegister.read(out);
        let count = 0;
        const lines = async function* (): AsyncGenerator<string> {
          for await (const models of registeredModels(database, owner ?? null)) {
            count += models.length;
            former?.exported(models);
            yield models.map((model) => `${JSON.stringify(model)}\n`).join('');
          }
          await former?.assertNoneLost(database, count);
        };
        if (out === undefined) for await (const text of lines()) shell.print(text.trimEnd());
        else await writePrivateFile(out, lines());
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

/** What an import has done, with global ids. */
interface ImportResult {
  readonly added: readonly string[];
  /** Models that were UNCERTAIN, and continue with the id of the avatar service. */
  readonly settled: readonly string[];
  /** The number of models that the database had already. */
  readonly unchanged: number;
}

async function importRegister(shell: Shell, file: string, asJson: boolean): Promise<void> {
  const lines = await readRegister(file);
  const result = await withDatabase(shell, (context) => addModels(context, lines), true);
  if (asJson) {
    shell.print(jsonOf(result));
    return;
  }
  const { added, settled, unchanged } = result;
  const summary = `${added.length} models added, ${unchanged} were known.`;
  shell.print(settled.length === 0 ? summary : `${summary} ${settled.length} that were UNCERTAIN continue.`);
}

async function addModels(
  { database, wakeups, config }: OperatorContext,
  lines: readonly NumberedLine[],
): Promise<ImportResult> {
  const jobs = new JobRepository(database, wakeups);
  const deadlineMs = config.TRAINING_DEADLINE;
  const addAll = async (sql: Sql): Promise<{ added: string[]; settled: ModelEntity[] }> => {
    await awaitOtherImports(sql);
    const problems = new LineProblems();
    const added: string[] = [];
    const settled: ModelEntity[] = [];
    for (const { number, model } of lines) {
      const done = await importOne(sql, jobs, model, deadlineMs);
      if (typeof done === 'string') problems.add(number, done);
      else if (done?.added !== undefined) added.push(done.added);
      else if (done?.settled) settled.push(done.settled);
    }
    problems.throwIfAny();
    return { added, settled };
  };
  const { added, settled } = await database.transaction(addAll, { isLong: true });
  jobs.wake(modelKind, settled, true);
  return {
    added,
    settled: settled.map(({ id }) => toGlobalId('AvatarModel', id)),
    unchanged: lines.length - added.length - settled.length,
  };
}

/**
 * Imports a model.
 * @returns its global id if it was added, the one in the database if it was settled, null if it is there already, or what is
 *   wrong
 */
async function importOne(
  sql: Sql,
  jobs: JobRepository,
  model: RegisterLine,
  deadlineMs: number,
): Promise<{ added?: string; settled?: ModelEntity } | string | null> {
  const known = await findRegistered(sql, model);
  if (known) return known.owner === model.owner ? null : ofAnotherOwner(known);
  const same = model.id === undefined ? null : await findModel(sql, model.id);
  if (same) {
    const settled = conflictOf(same, model) ?? (await settle(sql, jobs, same, model, deadlineMs));
    return typeof settled === 'string' ? settled : { settled };
  }
  return add(sql, model, deadlineMs);
}

async function add(sql: Sql, model: RegisterLine, deadlineMs: number): Promise<{ added: string } | string> {
  if (model.id !== undefined && (await hasStream(sql, model.id))) return ofDeleted;
  const added = await insertRegistered(sql, model, deadlineMs);
  await audit(sql, operatorFor(model.owner), { action: 'importModel', subject: added });
  return { added };
}

const ofDeleted =
  'id is that of a deleted model. Remove the line; or remove its id, so that it becomes a new model.';

const ofAnotherOwner = ({ id, owner }: { id: string; owner: string }): string =>
  `providerRef belongs to ${id} of another owner, ${owner}. Correct the owner, or remove the line.`;

/** Why a model that has the id of a line cannot take its providerRef; null if it is UNCERTAIN, so that it can. */
function conflictOf(
  { owner, provider, providerRef, status }: ModelEntity,
  line: RegisterLine,
): string | null {
  const asNew = 'remove the id to add it as a new model.';
  if (owner !== line.owner)
    return `id is that of a model of another owner, ${owner}. Correct the owner, or ${asNew}`;
  if (provider !== line.provider)
    return `id is that of a model of another provider, ${provider}. Correct it, or ${asNew}`;
  if (providerRef !== null) return `id is that of a model with another providerRef. To keep both, ${asNew}`;
  if (status === 'UNCERTAIN') return null;
  return (
    `id is that of a model without a providerRef, which is ${status} and may be paid again. ` +
    `Delete it (\`likeness delete ${line.id}\`), then ${asNew}`
  );
}

/**
 * Continues an UNCERTAIN model with the providerRef of its line, as `likeness uncertain settle --accepted`.
 * @returns the changed model, or a problem
 */
async function settle(
  sql: Sql,
  jobs: JobRepository,
  { id }: ModelEntity,
  line: RegisterLine,
  deadlineMs: number,
): Promise<ModelEntity | string> {
  const verdict = { outcome: 'ACCEPTED', ref: line.providerRef } as const;
  const [settled] = await settleWithin(sql, jobs, modelKind, { id, verdict, deadlineMs }, (transaction) =>
    audit(transaction, operatorFor(line.owner), {
      action: 'settleUncertain',
      subject: toGlobalId('AvatarModel', id),
      details: { accepted: true },
    }),
  );
  return settled ?? 'the model is no longer UNCERTAIN: its state has changed during the import.';
}
