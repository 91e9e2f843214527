import { useSyncExternalStore } from 'react';
import { useConnection } from '../api/connection';
import { Icon } from './Icon';

/** Says that updates do not arrive at present, and that nothing is lost. */
export function ConnectionBanner(): React.JSX.Element {
  const { subscribe, readError } = useConnection();
  const error = useSyncExternalStore(subscribe, readError);
  return (
    <div role="status" className="connection-status">
      {error && (
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
