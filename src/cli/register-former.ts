import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { codeOf } from '../core/errors';
import { readGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import { linesOf } from './register-file';
import type { RegisterLine } from './register-lines';
import { findOutdated } from './register.repository';
import { CommandError } from './shell';

const formerLine = z.object({
  /** Missing, or that of a model. */
  id: z
    .string()
    .refine((id) => readGlobalId(id) !== null)
    .optional()
    .catch(undefined),
  provider: z.string(),
  providerRef: z.string(),
});

type FormerLine = z.output<typeof formerLine>;

/**
 * The register that an export replaces. It may have models that the database does not have, such as one that was made again: then
 * it is the only place of their provider ids.
 */
export class FormerRegister {
  private constructor(
    private readonly path: string,
    private readonly hasContent: boolean,
    /** Models that were not exported yet, by what identifies them at the avatar service. */
    private readonly missing: Map<string, FormerLine>,
  ) {}

  /**
   * Reads the file at a path; without one, or if it is no file, there are no models. Lines that are not of a register are skipped.
   * @throws CommandError if it cannot be read
   */
  static async read(path: string): Promise<FormerRegister> {
    const found = await stat(path).catch(() => null);
    const models = new Map<string, FormerLine>();
    if (!found?.isFile()) return new FormerRegister(path, false, models);
    try {
      for await (const bytes of linesOf(createReadStream(path))) {
        const line = formerLine.safeParse(jsonOrNull(String(bytes)));
        if (line.success) models.set(keyOf(line.data), line.data);
      }
    } catch (error) {
      throw unreadable(path, error);
    }
    return new FormerRegister(path, found.size > 0, models);
  }

  /** Notes that models are in the new register. */
  exported(models: readonly RegisterLine[]): void {
    for (const model of models) this.missing.delete(keyOf(model));
  }

  /**
   * Call it before the file is replaced.
   * @throws CommandError if that would lose models, other than those of this database that were deleted, have failed or were retried
   */
  async assertNoneLost(sql: Sql, exportedCount: number): Promise<void> {
    if (exportedCount === 0 && this.hasContent) throw nothingFor(this.path);
    const missing = [...this.missing.values()];
    const outdated = await findOutdated(
      sql,
      missing.flatMap(({ id, providerRef }) => (id === undefined ? [] : [{ id, providerRef }])),
    );
    const lostCount = missing.filter(({ id }) => id === undefined || !outdated.has(id)).length;
    if (lostCount > 0) throw losing(this.path, lostCount);
  }
}

const keyOf = ({ provider, providerRef }: FormerLine): string => `${provider} ${providerRef}`;

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch {
    return null;
  }
}

const unreadable = (path: string, cause: unknown): CommandError =>
  new CommandError(
    `${path} cannot be read (${codeOf(cause) ?? 'unknown error'}), so it was left as it is. ` +
      'Name another file, or permit reading it; --replace replaces it unread.',
    { cause },
  );

/** Such as of a database that was made again, or with a misspelt owner. */
const nothingFor = (path: string): CommandError =>
  new CommandError(
    `There are no models to export, so ${path} was left as it is. Check DATABASE_URL, DATA_DIR and --owner; ` +
      'remove the file if it is no longer needed.',
  );

const losing = (path: string, count: number): CommandError =>
  new CommandError(
    `${path} has ${count} models that would not be in the new register, so it was left as it is. ` +
      'Check DATABASE_URL, DATA_DIR and --owner, or name another file; --replace drops these models.',
  );
