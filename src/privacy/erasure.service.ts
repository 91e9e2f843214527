import { audit } from '../accounts/audit.repository';
import type { ErasureEntity } from '../accounts/erasure.entity';
import { beginErasure } from '../accounts/write-admission.repository';
import { revokeKeysOf } from '../auth/api-key.repository';
import { revokeClientTokensOf } from '../auth/client-token.repository';
import { revocationTopic } from '../auth/revocations';
import { erasedOwner } from '../core/data-subject';
import { DomainError } from '../core/errors';
import { failpoint } from '../core/failpoint';
import { newId } from '../core/ids';
import type { Sql, Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { downloadOffers } from '../generations/avatar-download.repository';
import { findErasure, findRunning, insertErasure } from './erasure.repository';
import type { Announcer, ErasureWork } from './erasure.work';
import { exportOffers } from './export.repository';

/** The required value of `confirm`. It prevents erasures by a query that an editor completed automatically. */
const confirmation = 'DELETE';

/** The mutation returns after this time, complete or not, in milliseconds. Must be less than the operation timeout of 10 s. */
const maxWaitMs = 5_000;

/** Erases all data of an owner. */
export class ErasureService {
  constructor(
    private readonly database: Transactions,
    private readonly announcer: Announcer,
    private readonly work: Pick<ErasureWork, 'carryOut'>,
  ) {}

  /**
   * Erases all data of the viewer. After the first commit none of it can be read; if the process exits, a worker
   * completes the erasure. A call during an erasure returns the running one.
   * @param revokesKeys - whether to revoke the API keys that belong to this viewer only
   * @returns the erasure in its current state
   * @throws DomainError INVALID_INPUT if `confirm` is not the required value
   */
  async erase(viewer: Viewer, confirm: string, revokesKeys: boolean): Promise<ErasureEntity> {
    if (confirm !== confirmation) {
      throw new DomainError(
        'INVALID_INPUT',
        `Nothing was erased. Set confirm to "${confirmation}" to erase all your data.`,
        {
          field: 'input.confirm',
        },
      );
    }
    const { database, announcer, work } = this;
    const { id, revoked } = await database.transaction(async (sql) => ({
      id: await mark(sql, viewer),
      revoked: [
        ...(await revokeClientTokensOf(sql, viewer.owner)),
        ...(revokesKeys ? await revokeKeysOf(sql, viewer.owner) : []),
      ],
    }));
    await failpoint('delete:marked');
    announcer.announce({ topics: revoked.map(revocationTopic) });
    await work.carryOut(id, maxWaitMs);
    return (await this.find(id))!;
  }

  /** Finds an erasure by its receipt. The row contains no personal data, so the receipt is the only authorization. */
  async find(receipt: string): Promise<ErasureEntity | null> {
    return findErasure(this.database, receipt);
  }
}

/**
 * Records the erasure, which hides all data of the owner, and stops running downloads of archives. The entry in the audit
 * log contains the receipt and not the owner.
 */
async function mark(sql: Sql, viewer: Viewer): Promise<string> {
  const id = newId();
  const beganAt = await beginErasure(sql, viewer.owner);
  if (!(await insertErasure(sql, { id, owner: viewer.owner, beganAt }))) {
    // If the other erasure has completed in the meantime, another one starts for data added since.
    return (await findRunning(sql, viewer.owner)) ?? mark(sql, viewer);
  }
  await exportOffers.delete(sql, viewer.owner);
  await downloadOffers.delete(sql, viewer.owner);
  await audit(sql, { ...viewer, owner: erasedOwner }, { action: 'deleteMyData', subject: id });
  return id;
}
