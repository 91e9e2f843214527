import { audit } from '../accounts/audit';
import { beginErasure } from '../accounts/erasure-gate';
import type { ErasureEntity } from '../accounts/erasure.entity';
import { revokeKeysOf } from '../auth/api-key.service';
import { revocationTopic } from '../auth/revocations';
import { DomainError } from '../core/errors';
import { failpoint } from '../core/failpoint';
import { newId } from '../core/ids';
import { erasedOwner } from '../core/person';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { erasureLeaseMs, type Announcer, type ErasureWork } from './erasure.work';

/** What erasures are made of. */
export interface ErasureServiceDeps {
  database: Transactions;
  announcer: Announcer;
  work: Pick<ErasureWork, 'carryOut'>;
}

/** What must be said before anything is erased, so that nobody does it by completing a query. */
const confirmation = 'DELETE';

/** How long the mutation works at it before it answers, in milliseconds; operations end after 10 s. */
const patienceMs = 5_000;

/** Erases persons. */
export class ErasureService {
  constructor(private readonly deps: ErasureServiceDeps) {}

  /**
   * Erases all that the viewer has. From the first commit on nothing of it can be read by anybody, whatever comes then:
   * a process that dies leaves the rest to a worker. While an erasure goes on, asking again is asking for the same one.
   * @param revokesKeys - whether the API keys that stand for the viewer alone go too
   * @returns the erasure as far as it has come
   * @throws DomainError INVALID_INPUT without the right word
   */
  async erase(viewer: Viewer, confirm: string, revokesKeys: boolean): Promise<ErasureEntity> {
    if (confirm !== confirmation) {
      throw new DomainError('INVALID_INPUT', `Nothing was erased. Write "${confirmation}" to erase it all.`, {
        field: 'confirm',
      });
    }
    const { database, announcer, work } = this.deps;
    const { id, keyIds } = await database.transaction(async (sql) => ({
      id: await mark(sql, viewer),
      keyIds: revokesKeys ? await revokeKeysOf(sql, viewer.owner) : [],
    }));
    await failpoint('delete:marked');
    announcer.announce({ topics: keyIds.map(revocationTopic) });
    await work.carryOut(id, patienceMs);
    return (await this.find(id))!;
  }

  /** An erasure by its receipt; null if there is none. It tells nothing of a person, so whoever has the receipt may ask. */
  async find(receipt: string): Promise<ErasureEntity | null> {
    const [row] = await this.deps.database.rows<Record<string, unknown>>(
      'SELECT * FROM erasures WHERE id::text = $1',
      [receipt],
    );
    return row ? camelRow<ErasureEntity>(row) : null;
  }
}

/**
 * Writes that it was asked for, which hides everything, and ends what would go on by itself: archives that are being
 * fetched. Its entry in the audit log names the receipt and not the person.
 */
async function mark(sql: Sql, viewer: Viewer): Promise<string> {
  const id = newId();
  const beganAt = await beginErasure(sql, viewer.owner);
  const made = await sql.rows(
    `INSERT INTO erasures (id, owner, erased_at, due_at) VALUES ($1, $2, $3, now() + $4 * interval '1 ms')
     ON CONFLICT (owner) WHERE completed_at IS NULL DO NOTHING RETURNING id`,
    [id, viewer.owner, beganAt, erasureLeaseMs],
  );
  if (made.length === 0) return running(sql, viewer);
  await sql.rows('DELETE FROM exports WHERE owner = $1', [viewer.owner]);
  await audit(sql, { ...viewer, owner: erasedOwner }, { action: 'deleteMyData', subject: id });
  return id;
}

async function running(sql: Sql, viewer: Viewer): Promise<string> {
  const [first] = await sql.rows<{ id: string }>(
    'SELECT id FROM erasures WHERE owner = $1 AND completed_at IS NULL',
    [viewer.owner],
  );
  // It has become complete since: what is there now is asked for anew.
  return first?.id ?? mark(sql, viewer);
}
