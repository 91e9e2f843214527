import { type ConnectionState } from '../api/activity';
import { Icon } from './Icon';

/** Says that updates do not arrive at present, and that nothing is lost. */
export function ConnectionBanner({ state }: { state: ConnectionState }): React.JSX.Element {
  return (
    <div role="status" className="connection-status">
      {state === 'lost' && (
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
