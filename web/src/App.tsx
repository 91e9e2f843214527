import { useCallback, useEffect, useState } from 'react';
import { Provider } from 'urql';
import { forgetAccessKey, forgetAllKeys, readAccessKey, storeAccessKey } from './api/accessKey';
import { connect, ConnectionContext } from './api/connection';
import { forgetOwner } from './api/forgetOwner';
import { clearOperationLog } from './api/operationLog';
import { forgetDraft } from './api/photoDraft';
import { SessionGate } from './components/SessionGate';
import { Studio } from './components/Studio';
import { navigate } from './hooks/useRoute';

/** The studio: one GraphQL client for each sign-in, so that nothing of an earlier viewer is shown. */
export function App(): React.JSX.Element {
  const [connection, setConnection] = useState(connect);
  const reconnect = useCallback(() => {
    clearOperationLog();
    connection.close();
    setConnection(connect());
  }, [connection]);
  const signOut = useCallback(
    (owner: string) => {
      forgetAllKeys();
      // Closes the connection before, since what it receives would be stored.
      reconnect();
      forgetOwner(owner);
      forgetDraft();
      navigate({ page: 'create' });
    },
    [reconnect],
  );

  // A page that the browser has kept for its back button may belong to a viewer who has signed out since.
  useEffect(() => {
    const check = ({ persisted }: PageTransitionEvent): void => {
      if (!persisted || readAccessKey() === connection.accessKey) return;
      forgetDraft();
      reconnect();
    };
    addEventListener('pageshow', check);
    return () => removeEventListener('pageshow', check);
  }, [connection, reconnect]);

  return (
    <ConnectionContext.Provider value={connection}>
      <Provider value={connection.client}>
        <SessionGate
          key={connection.id}
          onSignIn={(key) => {
            storeAccessKey(key);
            reconnect();
          }}
          onSignOut={signOut}
          onChangeKey={() => {
            forgetAccessKey();
            reconnect();
          }}
        >
          <Studio />
        </SessionGate>
      </Provider>
    </ConnectionContext.Provider>
  );
}
