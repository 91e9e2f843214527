import { DomainError } from '../core/errors';
import type { Viewer } from '../core/viewer';

/** Closes a connection, and sends the error to its client. */
type EndSession = (error: DomainError) => void;

interface Session {
  readonly viewer: Viewer;
  readonly end: EndSession;
}

/**
 * The open WebSocket and SSE connections, or the requests that wait. They must end when their credentials expire or are
 * revoked.
 */
export class Sessions {
  private readonly open = new Set<Session>();
  /** By the Unix time in seconds, rounded up, at which their credentials expire. One timer serves all of them. */
  private readonly expiring = new Map<number, Set<Session>>();
  private readonly countByOwner = new Map<string, number>();
  private timer: NodeJS.Timeout | null = null;

  /**
   * @param maxPerOwner - maximum number of open connections of an owner; null: no limit
   * @param tooMany - makes the error for a further one
   */
  constructor(
    private readonly maxPerOwner: number | null = null,
    private readonly tooMany = tooManyConnections,
  ) {}

  /**
   * Registers a connection.
   * @param end - closes it; called at most once, within one second after the credentials expire or by {@link endRevoked}
   * @returns removes the registration; call it when the connection was closed
   * @throws DomainError RATE_LIMITED if the owner has the maximum number of connections
   */
  begin(viewer: Viewer, end: EndSession): () => void {
    const session: Session = { viewer, end };
    const count = this.countByOwner.get(viewer.owner) ?? 0;
    if (this.maxPerOwner !== null && count >= this.maxPerOwner) throw this.tooMany(this.maxPerOwner);
    this.countByOwner.set(viewer.owner, count + 1);
    this.open.add(session);
    this.watch(session);
    return () => this.forget(session);
  }

  /**
   * Ends every connection with an API key that was revoked, or with a client token that was revoked or created with
   * such a key.
   * @param id - of the key or token
   * @returns the number of connections
   */
  endRevoked(id: string): number {
    const matching = [...this.open].filter(
      ({ viewer: { keyId, clientToken } }) => keyId === id || clientToken?.id === id,
    );
    for (const session of matching) this.end(session, revokedMessage(session.viewer));
    return matching.length;
  }

  private watch(session: Session): void {
    const second = expiryOf(session);
    if (second === null) return;
    const others = this.expiring.get(second) ?? new Set();
    this.expiring.set(second, others.add(session));
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
      for (const session of sessions) this.end(session, 'Your credentials have expired. Sign in again.');
    }
    this.schedule();
  }

  private end(session: Session, message: string): void {
    this.forget(session);
    session.end(new DomainError('UNAUTHENTICATED', message));
  }

  private discount(owner: string): void {
    const count = this.countByOwner.get(owner)! - 1;
    if (count === 0) this.countByOwner.delete(owner);
    else this.countByOwner.set(owner, count);
  }

  private forget(session: Session): void {
    if (!this.open.delete(session)) return;
    this.discount(session.viewer.owner);
    const second = expiryOf(session);
    const others = second === null ? undefined : this.expiring.get(second);
    if (!others?.delete(session) || others.size > 0) return;
    this.expiring.delete(second!);
    if (this.expiring.size > 0 || !this.timer) return;
    clearTimeout(this.timer);
    this.timer = null;
  }
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
