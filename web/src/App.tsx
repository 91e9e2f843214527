import { useCallback, useState } from 'react';
import { Provider } from 'urql';
import { forgetAccessKey, storeAccessKey } from './api/accessKey';
import { connect, ConnectionContext } from './api/connection';
import { forgetOwner } from './api/forgetOwner';
import { clearOperationLog } from './api/operationLog';
import { ErrorBoundary } from './components/ErrorBoundary';
import { SessionGate } from './components/SessionGate';
import { Studio } from './components/Studio';

/** The studio: one GraphQL client for each sign-in, so that nothing of an earlier viewer is shown. */
export function App(): React.JSX.Element {
  const [connection, setConnection] = useState(connect);
  const reconnect = useCallback(() => {
    clearOperationLog();
    setConnection((before) => {
      before.close();
      return connect();
    });
  }, []);
  return (
    <ConnectionContext.Provider value={connection}>
      <Provider value={connection.client}>
        <SessionGate
          key={connection.id}
          onSignIn={(key) => {
            storeAccessKey(key);
            reconnect();
          }}
          onSignOut={(owner) => {
            forgetAccessKey();
            forgetOwner(owner);
            reconnect();
          }}
        >
          <ErrorBoundary>
            <Studio />
          </ErrorBoundary>
        </SessionGate>
      </Provider>
    </ConnectionContext.Provider>
  );
}
