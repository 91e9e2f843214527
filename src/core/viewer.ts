/** Permissions of a caller. `admin` is for operators and grants no access to other owners' images. */
export type Scope = 'read' | 'write' | 'admin';

/** The state of an owner's erasures when a request was admitted. */
export interface Admission {
  /** The time of admission in the database's notation, to the microsecond. */
  readonly at: string;
  /** The erasures that were complete at that time, as long as they are still recorded for the owner. */
  readonly erasures: readonly string[];
}

/** The only object that a client token gives access to, with what belongs to it. */
export interface TokenRestriction {
  readonly kind: 'AvatarModel' | 'Generation';
  readonly id: string;
}

/** The client token that a caller has sent in place of an API key. */
export interface ClientTokenUse {
  readonly id: string;
  /** Null: everything of the owner. */
  readonly restriction: TokenRestriction | null;
  /** Whether the number of its operations is limited, so that each must be counted. */
  readonly isCounted: boolean;
}

/** The authenticated caller. */
export interface Viewer {
  /** The owner of everything that the caller creates: a token's `sub`, a key's owner, or `local`. */
  readonly owner: string;
  readonly scopes: ReadonlySet<Scope>;
  /** When the credentials expire, in Unix milliseconds; WebSockets are closed then. Absent: never. */
  readonly expiresAtMs?: number;
  /** The API key used, or the one that created the client token; it can be revoked while a WebSocket is open. */
  readonly keyId?: string;
  /** Absent: the caller has not sent a client token. */
  readonly clientToken?: ClientTokenUse;
  /** Whether the caller was not authenticated: AUTH=none. */
  readonly isUnauthenticated?: boolean;
  /** Set for each operation. Absent: the request was not made by the owner, or needs no admission. */
  readonly admission?: Admission;
  /** The acting party in the audit log if it is not the owner: `operator` for the command line. */
  readonly actor?: string;
}

/** The caller of every request if AUTH=none. */
export const localViewer: Viewer = {
  owner: 'local',
  scopes: new Set(['read', 'write', 'admin']),
  isUnauthenticated: true,
};
