/** What a caller may do. `admin` is for operators and implies nothing about other owners' pictures. */
export type Scope = 'read' | 'write' | 'admin';

/** The state of an owner's erasures when a request was admitted: what {@link Viewer.admission} says. */
export interface Admission {
  /** When, as the database wrote it, to the microsecond. */
  readonly at: string;
  /** The erasures that were complete by then, as far as the owner is still known. */
  readonly erasures: readonly string[];
}

/** Who is asking, once it is known. */
export interface Viewer {
  /** The subject that owns everything it makes: a token's `sub`, a key's owner, or `local`. */
  readonly owner: string;
  readonly scopes: ReadonlySet<Scope>;
  /** When the proof ends, in Unix milliseconds; sockets end with it. Absent: never. */
  readonly expiresAtMs?: number;
  /** The API key that was used; it can be revoked while a socket is open. */
  readonly keyId?: string;
  /** Set for each operation. Absent: not a request of the owner's own, or one that needs no admission. */
  readonly admission?: Admission;
  /** Who really acts where that is not the owner: `operator`, at the command line. Stands in the audit log. */
  readonly actor?: string;
}

/** The one owner of everything while AUTH=none. */
export const localViewer: Viewer = { owner: 'local', scopes: new Set(['read', 'write', 'admin']) };
