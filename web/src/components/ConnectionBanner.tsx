import { useSyncExternalStore } from 'react';
import { useConnection } from '../api/connection';
import { useOnline } from '../hooks/useOnline';
import { Icon } from './Icon';

/** Says that updates do not arrive at present, why, what to do, and that nothing is lost. */
export function ConnectionBanner(): React.JSX.Element {
  const { subscribe, readError } = useConnection();
  const error = useSyncExternalStore(subscribe, readError);
  const isOnline = useOnline();
  return (
    <div role="status" className="connection-status">
      {!isOnline && (
        <p className="connection-banner">
          <Icon name="warning" />
          <span>
            <strong>You are offline.</strong> Check the network of this device. Your trainings and avatars
            continue on the server, and what you order now is sent when you are online again.
          </span>
        </p>
      )}
      {isOnline && error && (
        <p className="connection-banner">
          <Icon name="warning" />
          <span>
            <strong>Connection lost.</strong> Your trainings and avatars continue on the server. Connecting
            again …
          </span>
        </p>
      )}
    </div>
  );
}
