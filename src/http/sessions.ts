import { DomainError, unauthenticated } from '../core/errors';
import type { Viewer } from '../core/viewer';

/** Closes a connection, and sends the error to its client. */
type EndSession = (error: DomainError) => void;

interface Session {
  readonly viewer: Viewer;
  readonly end: EndSession;
}

export interface SessionsOptions {
  /** Maximum number of open connections of an owner; null: no limit. */
  readonly maxPerOwner: number | null;
  /** Whether an API key or client token is known to be revoked. */
  readonly isRevoked: (id: string) => boolean;
  /**
   * Makes the error for a further connection of an owner.
   * @defaultValue the error for WebSockets and event streams
   */
  readonly tooMany?: (maximum: number) => DomainError;
}

/**
 * The open WebSocket and SSE connections, or the requests that wait. They must end when their credentials expire or are
 * revoked.
 */
export class Sessions {
  private readonly open = new Set<Session>();
  /** By the ids of their client token and API key. */
  private readonly byCredential = new Map<string, Set<Session>>();
  /** By the Unix time in seconds, rounded up, at which their credentials expire. One timer serves all of them. */
  private readonly expiring = new Map<number, Set<Session>>();
  private readonly countByOwner = new Map<string, number>();
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly options: SessionsOptions) {}

  /**
   * Checks credentials that were authenticated a while ago, such as before the body of the request was read.
   * @throws DomainError UNAUTHENTICATED if they have expired or were revoked meanwhile
   */
  check(viewer: Viewer): void {
    if (viewer.expiresAtMs !== undefined && Date.now() >= viewer.expiresAtMs)
      throw unauthenticated(expiredMessage);
    if (credentialsOf(viewer).some(this.options.isRevoked)) throw unauthenticated(revokedMessage(viewer));
  }

  /**
   * Registers a connection.
   * @param end - closes it; called at most once, within one second after the credentials expire or by {@link endRevoked}
   * @returns removes the registration; call it when the connection was closed
   * @throws DomainError UNAUTHENTICATED as {@link check}; RATE_LIMITED if the owner has the maximum number of connections
   */
  begin(viewer: Viewer, end: EndSession): () => void {
    this.check(viewer);
    const { maxPerOwner, tooMany = tooManyConnections } = this.options;
    const session: Session = { viewer, end };
    const count = this.countByOwner.get(viewer.owner) ?? 0;
    if (maxPerOwner !== null && count >= maxPerOwner) throw tooMany(maxPerOwner);
    this.countByOwner.set(viewer.owner, count + 1);
    this.open.add(session);
    for (const id of credentialsOf(viewer)) addTo(this.byCredential, id, session);
    this.watch(session);
    return () => this.forget(session);
  }

  /**
   * Ends every connection with an API key that was revoked, or with a client token that was revoked or created with
   * such a key. Its cost depends on the number of these connections only.
   * @param id - of the key or token
   * @returns the number of connections
   */
  endRevoked(id: string): number {
    const matching = [...(this.byCredential.get(id) ?? [])];
    for (const session of matching) this.end(session, revokedMessage(session.viewer));
    return matching.length;
  }

  /** Whether a connection is open that the revocation of an API key or client token would end. */
  get isRevocable(): boolean {
    return this.byCredential.size > 0;
  }

  private watch(session: Session): void {
    const second = expiryOf(session);
    if (second === null) return;
    addTo(this.expiring, second, session);
    this.schedule();
  }

  /** Checks at the next whole second. */
  private schedule(): void {
    if (this.expiring.size > 0)
      this.timer ??= setTimeout(() => this.endExpired(), 1_000 - (Date.now() % 1_000));
  }

  private endExpired(): void {
    this.timer = null;
    const now = Date.now() / 1_000;
    for (const [second, sessions] of this.expiring) {
      if (second > now) continue;
      for (const session of sessions) this.end(session, expiredMessage);
    }
    this.schedule();
  }

  private end(session: Session, message: string): void {
    this.forget(session);
    session.end(unauthenticated(message));
  }

  private discount(owner: string): void {
    const count = this.countByOwner.get(owner)! - 1;
    if (count === 0) this.countByOwner.delete(owner);
    else this.countByOwner.set(owner, count);
  }

  private forget(session: Session): void {
    if (!this.open.delete(session)) return;
    this.discount(session.viewer.owner);
    for (const id of credentialsOf(session.viewer)) deleteFrom(this.byCredential, id, session);
    const second = expiryOf(session);
    if (second === null) return;
    deleteFrom(this.expiring, second, session);
    if (this.expiring.size > 0 || !this.timer) return;
    clearTimeout(this.timer);
    this.timer = null;
  }
}

const expiredMessage = 'Your credentials have expired. Sign in again.';

/** The ids of the client token and the API key of a viewer. */
function credentialsOf({ keyId, clientToken }: Viewer): string[] {
  return [clientToken?.id, keyId].filter((id) => id !== undefined);
}

function addTo<Key>(index: Map<Key, Set<Session>>, key: Key, session: Session): void {
  const others = index.get(key);
  if (others) others.add(session);
  else index.set(key, new Set([session]));
}

function deleteFrom<Key>(index: Map<Key, Set<Session>>, key: Key, session: Session): void {
  const others = index.get(key);
  if (others?.delete(session) && others.size === 0) index.delete(key);
}

function revokedMessage({ clientToken }: Viewer): string {
  return clientToken
    ? 'Your client token was revoked. Get another one.'
    : 'Your API key was revoked. Use another API key.';
}

function tooManyConnections(maximum: number): DomainError {
  return new DomainError(
    'RATE_LIMITED',
    `Your account has ${maximum} WebSockets and event streams. Close some, or use one for several subscriptions.`,
    { details: { maximum } },
  );
}

function expiryOf({ viewer: { expiresAtMs } }: Session): number | null {
  return expiresAtMs === undefined ? null : Math.ceil(expiresAtMs / 1_000);
}
