import { type Client } from '@urql/core';
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { readAccessKey } from '../api/accessKey';
import { useConnection } from '../api/connection';
import { problemOf, readProblem, type Problem } from '../api/errors';
import { SessionContext, type Session } from '../api/session';
import { onSignOutElsewhere, signOutElsewhere } from '../api/signOut';
import { SessionDocument, type SessionQuery } from '../graphql/operations';
import { LoadingPage } from './LoadingPage';
import { ProblemNotice } from './ProblemNotice';
import { SignInPage } from './SignInPage';

export interface SessionGateProps {
  readonly children: ReactNode;
  readonly onSignIn: (key: string) => void;
  readonly onSignOut: (owner: string) => void;
  /** Called to ask for a key in place of one that the server accepts, but that may not do what the studio needs. */
  readonly onChangeKey: () => void;
}

const retryMs = 3_000;
const expired = problemOf('UNAUTHENTICATED', 'The key has expired.');

/** Loads what every page needs, and asks for a key where the server wants one. */
export function SessionGate(props: SessionGateProps): React.JSX.Element {
  const { children, onSignIn, onSignOut, onChangeKey } = props;
  const connection = useConnection();
  const { client } = connection;
  const [data, setData] = useState<SessionQuery | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);

  useEffect(() => {
    const controller = new AbortController();
    void loadSession(client, controller.signal, setProblem).then(setData);
    return () => controller.abort();
  }, [client]);

  useEffect(() => connection.onKeyRefused(() => setProblem(expired)), [connection]);

  const session = useMemo(
    () => data && sessionOf(data, onSignOut, () => setProblem(expired)),
    [data, onSignOut],
  );

  useEffect(() => {
    if (!session?.signOut) return undefined;
    return onSignOutElsewhere(session.owner, () => onSignOut(session.owner));
  }, [session, onSignOut]);

  if (problem?.code === 'UNAUTHENTICATED')
    return <SignInPage wasRefused={readAccessKey() !== null} onSignIn={onSignIn} />;
  if (session) return <SessionContext.Provider value={session}>{children}</SessionContext.Provider>;
  if (!problem) return <LoadingPage />;
  return (
    <main className="narrow-page">
      <h1>Likeness</h1>
      <ProblemNotice problem={problem} />
      <p className="muted">Trying again every few seconds …</p>
      {!problem.isTemporary && readAccessKey() !== null && (
        <p>
          <button type="button" className="button" onClick={onChangeKey}>
            Use another key
          </button>
        </p>
      )}
    </main>
  );
}

/** Loads until the server has answered or asks for a key. */
async function loadSession(
  client: Client,
  signal: AbortSignal,
  onProblem: (problem: Problem | null) => void,
): Promise<SessionQuery | null> {
  for (;;) {
    const { data, error } = await client.query(SessionDocument, {}, { requestPolicy: 'network-only' });
    if (signal.aborted) return null;
    const problem = error ? readProblem(error) : null;
    onProblem(problem);
    if (!problem || problem.code === 'UNAUTHENTICATED') return data ?? null;
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}

function sessionOf(
  { viewer, capabilities, styles }: SessionQuery,
  onSignOut: (owner: string) => void,
  onExpired: () => void,
): Session | null {
  const { graphiql } = document.documentElement.dataset;
  if (!capabilities || !styles) return null;
  const signOut = (): void => {
    signOutElsewhere(viewer.owner);
    onSignOut(viewer.owner);
  };
  return {
    owner: viewer.owner,
    activityCursor: viewer.activityCursor,
    capabilities,
    styles,
    graphiqlPath: graphiql === undefined || graphiql === '' ? null : graphiql,
    onExpired,
    signOut: readAccessKey() === null ? null : signOut,
  };
}
