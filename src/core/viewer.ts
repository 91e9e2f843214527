/** What a caller may do. `admin` is for operators and implies nothing about other owners' pictures. */
export type Scope = 'read' | 'write' | 'admin';

/** Who is asking, once it is known. */
export interface Viewer {
  /** The subject that owns everything it makes: a token's `sub`, a key's owner, or `local`. */
  readonly owner: string;
  readonly scopes: ReadonlySet<Scope>;
  /** When the proof ends, in Unix milliseconds; sockets end with it. Absent: never. */
  readonly expiresAtMs?: number;
  /** The API key that was used; it can be revoked while a socket is open. */
  readonly keyId?: string;
  /** Who really acts where that is not the owner: `operator`, at the command line. Stands in the audit log. */
  readonly actor?: string;
}

/** The one owner of everything while AUTH=none. */
export const localViewer: Viewer = { owner: 'local', scopes: new Set(['read', 'write', 'admin']) };
