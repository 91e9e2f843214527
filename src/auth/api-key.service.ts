import { forbidden, unauthenticated } from '../accounts/account.errors';
import { audit } from '../accounts/audit.repository';
import { transactionFor } from '../accounts/erasure-gate';
import { admitWrite } from '../accounts/erasure.repository';
import { DomainError } from '../core/errors';
import type { Logger } from '../core/logger';
import { erasedOwner } from '../core/person';
import type { Transactions } from '../core/sql';
import type { Scope, Viewer } from '../core/viewer';
import { hashSecret, newKey, verifySecret, readKey, writeKey } from './api-key';
import {
  findKey,
  insertKey,
  listKeys,
  revokeKey,
  touchKey,
  type ApiKeyMetadata,
  type FoundKey,
} from './api-key.repository';
import { revocationTopic, type Revocations } from './revocations';
import { ownerOnBehalf, problemOfBehalf, problemOfBehalfOwner, problemOfSubject } from './subjects';

export interface ApiKeyServiceDeps {
  database: Transactions;
  announcer: { announce(wake: { topics: readonly string[] }): void };
  revocations: Pick<Revocations, 'has'>;
  logger: Logger;
}

/** The properties of a new key. */
export interface NewKey {
  owner: string;
  scopes: readonly Scope[];
  /** Whether the key may act for the owner's users. */
  onBehalf: boolean;
  name: string | null;
  /** Null: the key does not expire. */
  expiresInMs: number | null;
}

const maxNameLength = 100;
const refusal = 'The API key is not valid: it is unknown, has expired or was revoked.';

/** API keys: created and revoked by operators, used by backends. */
export class ApiKeyService {
  constructor(private readonly deps: ApiKeyServiceDeps) {}

  /**
   * Creates a key.
   * @param operator - the actor in the audit log
   * @returns the metadata and the text `lk_…`, which cannot be retrieved later
   * @throws DomainError INVALID_INPUT
   */
  async create(operator: Viewer, properties: NewKey): Promise<{ key: ApiKeyMetadata; text: string }> {
    validateNewKey(properties);
    const fields = newKey();
    const key = await transactionFor(this.deps.database, properties, async (sql) => {
      const { owner, name, onBehalf, expiresInMs } = properties;
      const scopes = [...new Set(properties.scopes)];
      const secretSha256 = hashSecret(fields.secret);
      const row = { id: fields.id, secretSha256, owner, name, scopes, onBehalf, expiresInMs };
      const key = await insertKey(sql, row);
      const details = { scopes: properties.scopes.join(' '), onBehalf: properties.onBehalf };
      const subject = { ...operator, owner: properties.owner };
      await audit(sql, subject, { action: 'createKey', subject: fields.id, details });
      return key;
    });
    return { key, text: writeKey(fields) };
  }

  /** All keys, including expired and revoked ones, newest first; at most 1,000. */
  list(): Promise<ApiKeyMetadata[]> {
    return listKeys(this.deps.database);
  }

  /**
   * Revokes a key permanently: every process refuses it from the next request on and closes its WebSockets. Idempotent.
   * @returns false if the key does not exist
   */
  async revoke(operator: Viewer, id: string): Promise<boolean> {
    const { database, announcer } = this.deps;
    const known = await findKey(database, id);
    if (!known) return false;
    await database.transaction(async (sql) => {
      // A key can be revoked during the erasure of its owner, but then the audit entry must not name the owner.
      const isNamed = (await admitWrite(sql, known)) === 'ADMITTED';
      if (!(await revokeKey(sql, id))) return;
      const owner = isNamed ? known.owner : erasedOwner;
      await audit(sql, { ...operator, owner }, { action: 'revokeKey', subject: id });
    });
    announcer.announce({ topics: [revocationTopic(id)] });
    return true;
  }

  /**
   * Authenticates an API key. Unknown, expired and revoked keys and wrong secrets are refused with the same error after
   * the same work.
   * @param behalf - the user that the key's holder acts for, if any
   * @throws DomainError UNAUTHENTICATED; FORBIDDEN if the key may not act for others
   */
  async authenticate(text: string, behalf: string | undefined): Promise<Viewer> {
    const key = await this.verify(text);
    return {
      owner: behalf === undefined ? key.owner : ownerFor(key, behalf),
      scopes: new Set(key.scopes as Scope[]),
      keyId: key.id,
      ...(key.expiresAt && { expiresAtMs: key.expiresAt.getTime() }),
    };
  }

  private async verify(text: string): Promise<FoundKey> {
    const fields = readKey(text);
    if (!fields) throw unauthenticated('Malformed API key. The format is lk_<id>_<secret>.');
    const key = await findKey(this.deps.database, fields.id);
    const isVerified = verifySecret(fields.secret, key);
    if (!key?.isActive || !isVerified) throw unauthenticated(refusal);
    if (key.isTouchDue) await this.touch(key.id);
    // Covers a revocation during the lookup, whose notification was processed before this request opens a socket.
    if (this.deps.revocations.has(key.id)) throw unauthenticated(refusal);
    return key;
  }

  /** A write failure is only logged, so that authentication works while the database is read-only. */
  private async touch(id: string): Promise<void> {
    try {
      await touchKey(this.deps.database, id);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      this.deps.logger.warn({ err: error, keyId: id }, 'last use of an API key could not be recorded');
    }
  }
}

function ownerFor({ onBehalf, owner }: FoundKey, behalf: string): string {
  if (!onBehalf) throw forbidden('This API key may not act for others. Remove the header X-Likeness-Owner.');
  const problem = problemOfBehalf(behalf);
  if (problem !== null) throw unauthenticated(`X-Likeness-Owner ${problem}.`);
  return ownerOnBehalf(owner, behalf);
}

function validateNewKey({ owner, scopes, onBehalf, name, expiresInMs }: NewKey): void {
  const problems: [problem: string | null, field: string][] = [
    [problemOfSubject(owner), 'owner'],
    [onBehalf ? problemOfBehalfOwner(owner) : null, 'owner'],
    [scopes.length === 0 ? 'must contain at least one of read, write, admin' : null, 'scopes'],
    [
      name !== null && name.length > maxNameLength ? `is longer than ${maxNameLength} characters` : null,
      'name',
    ],
    [expiresInMs !== null && expiresInMs <= 0 ? 'must be in the future' : null, 'expires'],
  ];
  const first = problems.find(([problem]) => problem !== null);
  if (first)
    throw new DomainError('INVALID_INPUT', `The key's ${first[1]} ${first[0]}.`, { field: first[1] });
}
