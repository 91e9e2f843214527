import { DomainError } from '../core/errors';
import type { Viewer } from '../core/viewer';

/** Closes a connection, and sends the error to its client. */
type EndSession = (error: DomainError) => void;

interface Session {
  readonly viewer: Viewer;
  readonly end: EndSession;
}

/**
 * The open WebSocket and SSE connections. They must be closed when their credentials expire or are revoked.
 */
export class Sessions {
  private readonly open = new Set<Session>();
  /** By the Unix time in seconds, rounded up, at which their credentials expire. One timer serves all of them. */
  private readonly expiring = new Map<number, Set<Session>>();
  private timer: NodeJS.Timeout | null = null;

  /**
   * Registers a connection.
   * @param end - closes it; called at most once, within one second after the credentials expire or by {@link endRevoked}
   * @returns removes the registration; call it when the connection was closed
   */
  begin(viewer: Viewer, end: EndSession): () => void {
    const session: Session = { viewer, end };
    this.open.add(session);
    this.watch(session);
    return () => this.forget(session);
  }

  /** Ends every connection with this API key, which was revoked. Returns their number. */
  endRevoked(keyId: string): number {
    const matching = [...this.open].filter(({ viewer }) => viewer.keyId === keyId);
    for (const session of matching) this.end(session, 'Your API key was revoked. Use another API key.');
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

  private forget(session: Session): void {
    this.open.delete(session);
    const second = expiryOf(session);
    const others = second === null ? undefined : this.expiring.get(second);
    if (!others?.delete(session) || others.size > 0) return;
    this.expiring.delete(second!);
    if (this.expiring.size > 0 || !this.timer) return;
    clearTimeout(this.timer);
    this.timer = null;
  }
}

function expiryOf({ viewer: { expiresAtMs } }: Session): number | null {
  return expiresAtMs === undefined ? null : Math.ceil(expiresAtMs / 1_000);
}
