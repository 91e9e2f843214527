import { audit } from '../accounts/audit.repository';
import { writeTransaction } from '../accounts/write-admission.repository';
import { DomainError, forbidden, notFound, unauthenticated } from '../core/errors';
import { newId, readGlobalId, toGlobalId, uuidOf, type InputId, type NodeKind } from '../core/ids';
import { ProblemCollector } from '../core/input-problems';
import type { Sql, Transactions } from '../core/sql';
import type { Scope, TokenRestriction, Viewer } from '../core/viewer';
import { invalidToken } from './client-token-errors';
import {
  avatarsWithin,
  countUnexpiredTokens,
  findClientToken,
  findClientTokens,
  generationsWithin,
  insertClientToken,
  isLiveToken,
  lockClientTokens,
  ownsObject,
  revokeClientToken,
  takeUse,
  type ClientTokenMetadata,
  type FoundToken,
} from './client-token.repository';
import { revocationTopic, type Revocations } from './revocations';
import { hashSecret, newSecret, verifySecret } from './secrets';

/** The prefix of every client token, which secret scanners can detect. */
export const clientTokenPrefix = 'lct_';

const tokenPattern =
  /^lct_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

/** Limits of the lifetime of a token, in seconds. */
export const lifetimeSeconds = { min: 60, max: 3_600, default: 900 } as const;

const usedUp = 'The client token has started as many operations as it may (maxUses). Get another one.';

/** The properties of a new client token. */
export interface NewClientToken {
  readonly scopes: readonly Scope[];
  readonly model: InputId | null;
  readonly generation: InputId | null;
  readonly maxUploads: number;
  readonly expiresInSeconds: number;
  readonly maxUses: number | null;
}

export interface ClientTokenServiceDeps {
  database: Transactions;
  announcer: { announce(wake: { topics: readonly string[] }): void };
  revocations: Pick<Revocations, 'has'>;
  /** Maximum number of an owner's tokens that have not expired. Revoked ones count, which bounds the revocations to process. */
  maxPerOwner: number;
  /** Whether API keys are accepted, whose holders create tokens. */
  acceptsKeys: boolean;
  /** Whether requests without authentication are accepted, which then create tokens. */
  isOpen: boolean;
}

/** Client tokens: created by backends with an API key, used by browsers in its place. */
export class ClientTokenService {
  constructor(private readonly deps: ClientTokenServiceDeps) {}

  /**
   * Creates a token that acts for the viewer's owner.
   * @returns the metadata and the text `lct_…`, which cannot be retrieved later
   * @throws DomainError FORBIDDEN unless the viewer has an API key, or if it lacks one of the scopes; INVALID_INPUT;
   * NOT_FOUND; QUOTA_EXCEEDED
   */
  async create(
    viewer: Viewer,
    properties: NewClientToken,
  ): Promise<{ token: string; row: ClientTokenMetadata }> {
    requireIssuer(viewer);
    const { scopes, maxUploads, maxUses, expiresInSeconds } = properties;
    checkProperties(viewer, properties);
    const { database } = this.deps;
    const restriction = await this.restrictionOf(viewer, properties);
    const secret = newSecret();
    const id = newId();
    const row = await writeTransaction(database, viewer, async (sql) => {
      await this.requireFree(sql, viewer.owner);
      const inserted = await insertClientToken(sql, {
        ...{ id, secretSha256: hashSecret(secret), owner: viewer.owner, keyId: viewer.keyId ?? null },
        scopes: [...new Set(scopes)],
        modelId: restriction?.kind === 'AvatarModel' ? restriction.id : null,
        generationId: restriction?.kind === 'Generation' ? restriction.id : null,
        ...{ usesLeft: maxUses, uploadsLeft: maxUploads, expiresInMs: expiresInSeconds * 1_000 },
      });
      const details = { scopes: scopes.join(' '), maxUploads, maxUses, expiresInSeconds };
      await audit(sql, viewer, {
        action: 'createClientToken',
        subject: toGlobalId('ClientToken', id),
        details,
      });
      return inserted;
    });
    return { token: `${clientTokenPrefix}${id.replaceAll('-', '')}_${secret}`, row };
  }

  /**
   * Ends a token: every process refuses it from the next request on and closes its sockets and streams. Repeating it
   * succeeds.
   * @throws DomainError NOT_FOUND
   */
  async revoke(viewer: Viewer, target: InputId): Promise<void> {
    const { database, announcer } = this.deps;
    const id = uuidOf(target);
    await writeTransaction(database, viewer, async (sql) => {
      const wasLive = await revokeClientToken(sql, viewer.owner, id);
      if (wasLive === null) throw notFound('client token', target.field);
      if (wasLive)
        await audit(sql, viewer, { action: 'revokeClientToken', subject: toGlobalId('ClientToken', id) });
    });
    announcer.announce({ topics: [revocationTopic(id)] });
  }

  /** The viewer's tokens with the given ids that have not ended, in the order of the ids. */
  findMany({ owner }: Viewer, ids: readonly string[]): Promise<(ClientTokenMetadata | null)[]> {
    return findClientTokens(this.deps.database, owner, ids);
  }

  /**
   * Authenticates a client token. Unknown and ended tokens and wrong secrets are refused with the same error after the
   * same work.
   * @throws DomainError UNAUTHENTICATED, also if it may start no more operations
   */
  async authenticate(text: string): Promise<Viewer> {
    const { id, owner, keyId, scopes, modelId, generationId, usesLeft, expiresAt } = await this.verify(text);
    return {
      owner,
      scopes: new Set(scopes as Scope[]),
      expiresAtMs: expiresAt.getTime(),
      ...(keyId !== null && { keyId }),
      clientToken: {
        id,
        restriction: restrictionIn({ modelId, generationId }),
        isCounted: usesLeft !== null,
      },
    };
  }

  /**
   * Counts an operation that the viewer starts, if the number of operations of its token is limited.
   * @throws DomainError UNAUTHENTICATED if it has none left or has ended
   */
  async countUse({ clientToken }: Viewer): Promise<void> {
    const { database } = this.deps;
    if (!clientToken?.isCounted || (await takeUse(database, clientToken.id))) return;
    throw (await isLiveToken(database, clientToken.id)) ? unauthenticated(usedUp) : invalidToken();
  }

  /** Whether the viewer's client token includes an object, whether or not it exists; true without a token. */
  async includes({ clientToken }: Viewer, { kind, id }: { kind: NodeKind; id: string }): Promise<boolean> {
    if (!clientToken?.restriction) return true;
    const globalId = toGlobalId(kind, id);
    return (await this.findWithin(clientToken.restriction, [globalId])).has(globalId);
  }

  /** Those of the global ids that a restriction includes: its object, and what was made from it. */
  async findWithin(
    restriction: TokenRestriction,
    globalIds: readonly string[],
  ): Promise<ReadonlySet<string>> {
    const { database } = this.deps;
    const reads = globalIds.map(readGlobalId);
    const idsOf = (kind: NodeKind): string[] =>
      reads.flatMap((read) => (read?.kind === kind ? [read.id] : []));
    const [generations, avatars] = [idsOf('Generation'), idsOf('Avatar')];
    const isOfModel = restriction.kind === 'AvatarModel' && generations.length > 0;
    const within = {
      Generation: isOfModel ? await generationsWithin(database, generations, restriction.id) : [],
      Avatar: avatars.length > 0 ? await avatarsWithin(database, avatars, restriction) : [],
    };
    return new Set([
      toGlobalId(restriction.kind, restriction.id),
      ...within.Generation.map((id) => toGlobalId('Generation', id)),
      ...within.Avatar.map((id) => toGlobalId('Avatar', id)),
    ]);
  }

  private async verify(text: string): Promise<FoundToken> {
    const match = tokenPattern.exec(text);
    if (!match) throw unauthenticated('Malformed client token. The format is lct_<id>_<secret>.');
    const [secret, id] = [match[6]!, match.slice(1, 6).join('-')];
    const token = await findClientToken(this.deps.database, id);
    if (!verifySecret(secret, token) || !this.accepts(token!)) throw invalidToken();
    if (token!.usesLeft === 0) throw unauthenticated(usedUp);
    return token!;
  }

  private accepts({ id, keyId, isLive }: FoundToken): boolean {
    const { acceptsKeys, isOpen, revocations } = this.deps;
    if (keyId === null ? !isOpen : !acceptsKeys) return false;
    // Covers a revocation during the lookup, whose notification was processed before this request opens a socket.
    return isLive && !revocations.has(id) && !(keyId !== null && revocations.has(keyId));
  }

  private async restrictionOf(
    { owner }: Viewer,
    { model, generation }: NewClientToken,
  ): Promise<TokenRestriction | null> {
    const target = model ?? generation;
    if (target === null) return null;
    const restriction = { kind: model ? 'AvatarModel' : 'Generation', id: uuidOf(target) } as const;
    if (await ownsObject(this.deps.database, owner, restriction)) return restriction;
    throw notFound(model ? 'model' : 'generation', target.field);
  }

  private async requireFree(sql: Sql, owner: string): Promise<void> {
    const { maxPerOwner: maximum } = this.deps;
    await lockClientTokens(sql, owner);
    const given = await countUnexpiredTokens(sql, owner);
    if (given < maximum) return;
    throw new DomainError(
      'QUOTA_EXCEEDED',
      `There are ${given} client tokens of this user that have not expired, revoked ones included; the maximum is ${maximum}. Create fewer, or let them expire sooner.`,
      { details: { given, maximum } },
    );
  }
}

function restrictionIn({
  modelId,
  generationId,
}: Pick<ClientTokenMetadata, 'modelId' | 'generationId'>): TokenRestriction | null {
  if (modelId !== null) return { kind: 'AvatarModel', id: modelId };
  return generationId === null ? null : { kind: 'Generation', id: generationId };
}

/** Users cannot create tokens: each would outlive the sign-out of its user. */
function requireIssuer({ keyId, clientToken, isUnauthenticated }: Viewer): void {
  if ((keyId !== undefined || isUnauthenticated) && !clientToken) return;
  throw forbidden('Client tokens are created by a backend, with its API key. Ask your backend for one.');
}

function checkProperties(viewer: Viewer, properties: NewClientToken): void {
  const { scopes, model, generation, maxUploads, expiresInSeconds, maxUses } = properties;
  const { min, max } = lifetimeSeconds;
  const problems = new ProblemCollector();
  const check = (isValid: boolean, field: string, message: string): void => {
    if (!isValid) problems.add(new DomainError('INVALID_INPUT', message, { field: `input.${field}` }));
  };
  check(scopes.length > 0, 'scopes', 'Send READ, WRITE or both.');
  check(
    !scopes.includes('admin'),
    'scopes',
    'A client token cannot have the scope ADMIN. Send READ, WRITE or both.',
  );
  check(model === null || generation === null, 'generationId', 'Send `modelId` or `generationId`, not both.');
  check(maxUploads >= 0, 'maxUploads', 'Send 0 or the maximum number of photos.');
  check(maxUploads <= 0 || scopes.includes('write'), 'maxUploads', 'Uploads require the scope WRITE.');
  check(
    expiresInSeconds >= min && expiresInSeconds <= max,
    'expiresInSeconds',
    `A client token is valid for ${min} to ${max} seconds; ${expiresInSeconds} were given.`,
  );
  check(maxUses === null || maxUses >= 1, 'maxUses', 'Send null or at least 1.');
  for (const target of [model, generation]) if (target) problems.check(() => uuidOf(target));
  problems.throwIfAny();
  const missing = scopes.filter((scope) => !viewer.scopes.has(scope));
  if (missing.length > 0)
    throw forbidden(`You do not have the scope ${missing.join(' and ')} yourself.`, { needed: missing[0] });
}
