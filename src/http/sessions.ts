import type { Viewer } from '../core/viewer';

/** The longest timer that Node has; later ends are looked at again then. */
const maxTimerMs = 2_147_483_647;

interface Session {
  readonly viewer: Viewer;
  readonly end: () => void;
  timer?: NodeJS.Timeout;
}

/**
 * Who is listening now, over WebSocket and SSE. What stays open must end when the proof of who is asking ends: by time,
 * or because it was revoked.
 */
export class Sessions {
  private readonly open = new Set<Session>();

  /**
   * Watches over one connection.
   * @param end - closes it; called at most once, when the viewer's time is over or by {@link endWhere}
   * @returns what its owner calls when it was closed
   */
  begin(viewer: Viewer, end: () => void): () => void {
    const session: Session = { viewer, end };
    this.open.add(session);
    this.watch(session);
    return () => this.forget(session);
  }

  /** Ends every connection of the viewers meant: `(viewer) => viewer.keyId === revoked`. Returns how many. */
  endWhere(isMeant: (viewer: Viewer) => boolean): number {
    const meant = [...this.open].filter(({ viewer }) => isMeant(viewer));
    for (const session of meant) this.end(session);
    return meant.length;
  }

  private watch(session: Session): void {
    const { expiresAtMs } = session.viewer;
    if (expiresAtMs === undefined) return;
    const leftMs = expiresAtMs - Date.now();
    const isLast = leftMs <= maxTimerMs;
    const next = (): void => (isLast ? this.end(session) : this.watch(session));
    session.timer = setTimeout(next, isLast ? Math.max(leftMs, 0) : maxTimerMs);
  }

  private end(session: Session): void {
    this.forget(session);
    session.end();
  }

  private forget(session: Session): void {
    clearTimeout(session.timer);
    this.open.delete(session);
  }
}
