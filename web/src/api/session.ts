import { createContext, useContext } from 'react';
import { type SessionQuery } from '../graphql/operations';

/** The signed-in viewer, and what the server offers. */
export interface Session {
  readonly owner: string;
  readonly activityCursor: string;
  readonly capabilities: NonNullable<SessionQuery['capabilities']>;
  readonly styles: NonNullable<SessionQuery['styles']>;
  /** Null where the server does not serve GraphiQL. */
  readonly graphiqlPath: string | null;
  /** Called when the server no longer accepts the key. */
  readonly onExpired: () => void;
  /** Null where the server asks for no key. */
  readonly signOut: (() => void) | null;
}

export const SessionContext = createContext<Session | null>(null);

/** @throws Error outside of a signed-in page */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('No session');
  return session;
}

/** The display name of a style. */
export function useStyleName(): (key: string) => string {
  const { styles } = useSession();
  return (key) => styles.find((style) => style.key === key)?.name ?? key;
}
