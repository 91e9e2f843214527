import { DomainError } from '../core/errors';
import type { Viewer } from '../core/viewer';

/** The maximum delay of Node's timers; later expiries need several timers. */
const maxTimerMs = 2_147_483_647;

/** Closes a connection, and sends the error to its client. */
type EndSession = (error: DomainError) => void;

interface Session {
  readonly viewer: Viewer;
  readonly end: EndSession;
  timer?: NodeJS.Timeout;
}

/**
 * The open WebSocket and SSE connections. They must be closed when their credentials expire or are revoked.
 */
export class Sessions {
  private readonly open = new Set<Session>();

  /**
   * Registers a connection.
   * @param end - closes it; called at most once, when the credentials expire or by {@link endRevoked}
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
    const { expiresAtMs } = session.viewer;
    if (expiresAtMs === undefined) return;
    const leftMs = expiresAtMs - Date.now();
    const isLast = leftMs <= maxTimerMs;
    const next = (): void =>
      isLast ? this.end(session, 'Your credentials have expired. Sign in again.') : this.watch(session);
    session.timer = setTimeout(next, isLast ? Math.max(leftMs, 0) : maxTimerMs);
  }

  private end(session: Session, message: string): void {
    this.forget(session);
    session.end(new DomainError('UNAUTHENTICATED', message));
  }

  private forget(session: Session): void {
    clearTimeout(session.timer);
    this.open.delete(session);
  }
}
