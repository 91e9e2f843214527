import { randomBytes } from 'node:crypto';
import { audit } from '../accounts/audit.repository';
import { writeTransaction, admitWrite } from '../accounts/write-admission.repository';
import { erasedOwner } from '../core/data-subject';
import { forbidden, unauthenticated, DomainError } from '../core/errors';
import type { Logger } from '../core/logger';
import { levelOf } from '../core/outage';
import type { Transactions } from '../core/sql';
import type { Scope, Viewer } from '../core/viewer';
import {
  findKey,
  insertKey,
  listKeys,
  revokeKey,
  touchKey,
  type ApiKeyMetadata,
  type FoundKey,
  type KeyRow,
} from './api-key.repository';
import { revocationTopic, type Revocations } from './revocations';
import { hashSecret, newSecret, verifySecret } from './secrets';
import { ownerOnBehalf, problemOfBehalf, problemOfBehalfOwner, problemOfSubject } from './subjects';

/** The prefix of every key, which secret scanners can detect. */
export const keyPrefix = 'lk_';

const idBytes = 8;
const keyPattern = /^lk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** The two parts of a key: the id for lookup and the secret. */
export interface KeyFields {
  readonly id: string;
  readonly secret: string;
}

/** Parses the text form of a key; null if it is malformed. */
export function readKey(text: string): KeyFields | null {
  const match = keyPattern.exec(text);
  return match ? { id: match[1]!, secret: match[2]! } : null;
}

/** The properties of a new key. */
export interface NewKey extends Omit<KeyRow, 'id' | 'secretSha256' | 'scopes'> {
  scopes: readonly Scope[];
}

const maxNameLength = 100;
const refusal = 'The API key is not valid: it is unknown, has expired or was revoked.';

/** API keys: created and revoked by operators, used by backends. */
export class ApiKeyService {
  constructor(
    private readonly database: Transactions,
    private readonly announcer: { announce(wake: { topics: readonly string[] }): void },
    private readonly revocations: Pick<Revocations, 'has'>,
    private readonly logger: Logger,
  ) {}

  /**
   * Creates a key.
   * @param operator - the actor in the audit log
   * @returns the metadata and the text `lk_…`, which cannot be retrieved later
   * @throws DomainError INVALID_INPUT
   */
  async create(operator: Viewer, properties: NewKey): Promise<{ key: ApiKeyMetadata; text: string }> {
    validateNewKey(properties);
    const { owner, scopes, onBehalf } = properties;
    const id = randomBytes(idBytes).toString('hex');
    const secret = newSecret();
    const row = { ...properties, id, secretSha256: hashSecret(secret), scopes: [...new Set(scopes)] };
    const key = await writeTransaction(this.database, properties, async (sql) => {
      const key = await insertKey(sql, row);
      const details = { scopes: scopes.join(' '), onBehalf };
      await audit(sql, { ...operator, owner }, { action: 'createKey', subject: id, details });
      return key;
    });
    return { key, text: `${keyPrefix}${id}_${secret}` };
  }

  /** All keys, including expired and revoked ones, newest first; at most 1,000. */
  list(): Promise<ApiKeyMetadata[]> {
    return listKeys(this.database);
  }

  /**
   * Revokes a key permanently: every process refuses it from the next request on and closes its WebSockets. Idempotent.
   * @returns false if the key does not exist
   */
  async revoke(operator: Viewer, id: string): Promise<boolean> {
    const { database, announcer } = this;
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
    const key = await findKey(this.database, fields.id);
    const isVerified = verifySecret(fields.secret, key);
    if (!key?.isActive || !isVerified) throw unauthenticated(refusal);
    if (key.isTouchDue) await this.touch(key.id);
    // Covers a revocation during the lookup, whose notification was processed before this request opens a socket.
    if (this.revocations.has(key.id)) throw unauthenticated(refusal);
    return key;
  }

  /** A write failure is only logged, so that authentication works while the database is read-only. */
  private async touch(id: string): Promise<void> {
    try {
      await touchKey(this.database, id);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      this.logger[levelOf(error, 'warn')](
        { err: error, keyId: id },
        'last use of an API key could not be recorded',
      );
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
