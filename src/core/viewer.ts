/** Permissions of a caller. `admin` is for operators and grants no access to other owners' images. */
export type Scope = 'read' | 'write' | 'admin';

/** The state of an owner's erasures when a request was admitted. */
export interface Admission {
  /** The time of admission in the database's notation, to the microsecond. */
  readonly at: string;
  /** The erasures that were complete at that time, as long as they are still recorded for the owner. */
  readonly erasures: readonly string[];
}

/** The authenticated caller. */
export interface Viewer {
  /** The owner of everything that the caller creates: a token's `sub`, a key's owner, or `local`. */
  readonly owner: string;
  readonly scopes: ReadonlySet<Scope>;
  /** When the credentials expire, in Unix milliseconds; WebSockets are closed then. Absent: never. */
  readonly expiresAtMs?: number;
  /** The API key used; it can be revoked while a WebSocket is open. */
  readonly keyId?: string;
  /** Set for each operation. Absent: the request was not made by the owner, or needs no admission. */
  readonly admission?: Admission;
  /** The acting party in the audit log if it is not the owner: `operator` for the command line. */
  readonly actor?: string;
}

/** The caller of every request if AUTH=none. */
export const localViewer: Viewer = { owner: 'local', scopes: new Set(['read', 'write', 'admin']) };
