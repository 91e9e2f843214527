import { forbidden, unauthenticated } from '../accounts/account.errors';
import { audit } from '../accounts/audit';
import { admitWrite, transactionFor } from '../accounts/erasure-gate';
import { DomainError } from '../core/errors';
import type { Logger } from '../core/logger';
import { erasedOwner } from '../core/person';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import type { Scope, Viewer } from '../core/viewer';
import { hashSecret, newKey, verifySecret, readKey, writeKey } from './api-key';
import type { ApiKeyEntity } from './api-key.entity';
import { revocationTopic, type Revocations } from './revocations';
import { ownerOnBehalf, problemOfBehalf, problemOfBehalfOwner, problemOfSubject } from './subjects';

/** What {@link ApiKeyService} is made of. */
export interface ApiKeyServiceDeps {
  database: Transactions;
  announcer: { announce(wake: { topics: readonly string[] }): void };
  revocations: Pick<Revocations, 'has'>;
  logger: Logger;
}

/** What a key is to be. */
export interface NewKey {
  owner: string;
  scopes: readonly Scope[];
  /** Whether it may act for the owner's own users. */
  onBehalf: boolean;
  name: string | null;
  /** Null: it has no end. */
  expiresInMs: number | null;
}

/** A key as it is shown: everything but what proves it. */
export type KeyWithSecret = Omit<ApiKeyEntity, 'secretSha256'>;

/** Columns of a {@link KeyWithSecret}. */
const shown = 'id, owner, name, scopes, on_behalf, created_at, expires_at, revoked_at, last_used_at';

const maxNameLength = 100;
const refusal = 'The API key is not valid: it is unknown, has expired or was revoked.';

/** API keys: made and revoked by operators, shown by backends. */
export class ApiKeyService {
  constructor(private readonly deps: ApiKeyServiceDeps) {}

  /**
   * Makes a key.
   * @param operator - who makes it, for the audit log
   * @returns the key with its text `lk_…`, which can be had now and never again
   * @throws DomainError INVALID_INPUT
   */
  async create(operator: Viewer, wanted: NewKey): Promise<{ key: KeyWithSecret; text: string }> {
    checkWanted(wanted);
    const deps = newKey();
    const key = await transactionFor(this.deps.database, wanted, async (sql) => {
      const [row] = await sql.rows<Record<string, unknown>>(
        `INSERT INTO api_keys (id, secret_sha256, owner, name, scopes, on_behalf, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, now() + $7 * interval '1 ms') RETURNING ${shown}`,
        [
          deps.id,
          hashSecret(deps.secret),
          wanted.owner,
          wanted.name,
          [...new Set(wanted.scopes)],
          wanted.onBehalf,
          wanted.expiresInMs,
        ],
      );
      const details = { scopes: wanted.scopes.join(' '), onBehalf: wanted.onBehalf };
      const subject = { ...operator, owner: wanted.owner };
      await audit(sql, subject, { action: 'createKey', subject: deps.id, details });
      return camelRow<KeyWithSecret>(row!);
    });
    return { key, text: writeKey(deps) };
  }

  /** All keys, also those that are over, the newest first; at most 1,000. */
  async list(): Promise<KeyWithSecret[]> {
    const rows = await this.deps.database.rows<Record<string, unknown>>(
      `SELECT ${shown} FROM api_keys ORDER BY created_at DESC, id LIMIT 1000`,
    );
    return rows.map((row) => camelRow<KeyWithSecret>(row));
  }

  /**
   * Revokes a key for good: every process refuses it from the next request on, and closes the sockets that it opened.
   * Revoking twice is no error.
   * @returns false if there is no such key
   */
  async revoke(operator: Viewer, id: string): Promise<boolean> {
    const { database, announcer } = this.deps;
    const [known] = await database.rows<{ owner: string }>('SELECT owner FROM api_keys WHERE id = $1', [id]);
    if (!known) return false;
    await database.transaction(async (sql) => {
      // An erasure never keeps a key from being revoked; but nothing may name its owner then.
      const isNamed = (await admitWrite(sql, known)) === 'ADMITTED';
      const revoked = await sql.rows(
        'UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id',
        [id],
      );
      if (revoked.length === 0) return;
      const owner = isNamed ? known.owner : erasedOwner;
      await audit(sql, { ...operator, owner }, { action: 'revokeKey', subject: id });
    });
    announcer.announce({ topics: [revocationTopic(id)] });
    return true;
  }

  /**
   * Whose key this is. An unknown key, a wrong secret and a key that is over are refused alike and after the same work.
   * @param behalf - the user that the key's holder speaks for, if any
   * @throws DomainError UNAUTHENTICATED; FORBIDDEN if it may not speak for others
   */
  async authenticate(text: string, behalf: string | undefined): Promise<Viewer> {
    const key = await this.prove(text);
    return {
      owner: behalf === undefined ? key.owner : ownerFor(key, behalf),
      scopes: new Set(key.scopes as Scope[]),
      keyId: key.id,
      ...(key.expiresAt && { expiresAtMs: key.expiresAt.getTime() }),
    };
  }

  private async prove(text: string): Promise<FoundKey> {
    const deps = readKey(text);
    if (!deps) throw unauthenticated('This has not the form of an API key, which is lk_<id>_<secret>.');
    const found = await this.find(deps.id);
    const isProven = verifySecret(deps.secret, found);
    if (!found?.isGood || !isProven) throw unauthenticated(refusal);
    if (found.isTouchDue) await this.touch(found.id);
    // It may have been revoked while it was looked up; who holds sockets has heard of that already.
    if (this.deps.revocations.has(found.id)) throw unauthenticated(refusal);
    return found;
  }

  private async find(id: string): Promise<FoundKey | null> {
    const [row] = await this.deps.database.rows<Record<string, unknown>>(
      `SELECT id, secret_sha256, owner, scopes, on_behalf, expires_at,
              revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS is_good,
              last_used_at IS NULL OR last_used_at < now() - interval '1 minute' AS is_touch_due
         FROM api_keys WHERE id = $1`,
      [id],
    );
    return row ? camelRow<FoundKey>(row) : null;
  }

  /** A database that can be read but not written still lets its readers in. */
  private async touch(id: string): Promise<void> {
    try {
      await this.deps.database.rows(
        `UPDATE api_keys SET last_used_at = now()
          WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`,
        [id],
      );
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      this.deps.logger.warn({ err: error, keyId: id }, 'when a key was used could not be written');
    }
  }
}

/** A key as it is looked up. */
type FoundKey = Pick<ApiKeyEntity, 'id' | 'secretSha256' | 'owner' | 'scopes' | 'onBehalf' | 'expiresAt'> & {
  isGood: boolean;
  isTouchDue: boolean;
};

function ownerFor({ onBehalf, owner }: FoundKey, behalf: string): string {
  if (!onBehalf) throw forbidden('This API key may not act for others. Leave X-Likeness-Owner out.');
  const problem = problemOfBehalf(behalf);
  if (problem !== null) throw unauthenticated(`X-Likeness-Owner ${problem}.`);
  return ownerOnBehalf(owner, behalf);
}

function checkWanted({ owner, scopes, onBehalf, name, expiresInMs }: NewKey): void {
  const problems: [problem: string | null, field: string][] = [
    [problemOfSubject(owner), 'owner'],
    [onBehalf ? problemOfBehalfOwner(owner) : null, 'owner'],
    [scopes.length === 0 ? 'must name one of read, write and admin at least' : null, 'scopes'],
    [
      name !== null && name.length > maxNameLength ? `is longer than ${maxNameLength} characters` : null,
      'name',
    ],
    [expiresInMs !== null && expiresInMs <= 0 ? 'must be in the future' : null, 'expires'],
  ];
  const found = problems.find(([problem]) => problem !== null);
  if (found)
    throw new DomainError('INVALID_INPUT', `The key's ${found[1]} ${found[0]}.`, { field: found[1] });
}

/**
 * Revokes the keys that stand for this very owner, and takes its name from them; part of erasing a person. Keys that act
 * for others belong to a program and stay.
 * @returns their ids, to be announced as revoked AFTER the commit
 */
export async function revokeKeysOf(sql: Sql, owner: string): Promise<string[]> {
  const revoked = await sql.rows<{ id: string }>(
    `UPDATE api_keys SET owner = $2, name = NULL, revoked_at = coalesce(revoked_at, now())
      WHERE owner = $1 AND NOT on_behalf RETURNING id`,
    [owner, erasedOwner],
  );
  return revoked.map(({ id }) => id);
}
