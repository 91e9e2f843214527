import { useSyncExternalStore } from 'react';
import { clearOperationLog, readOperationLog, subscribeOperationLog } from '../api/operationLog';
import { useSession } from '../api/session';
import { Icon } from './Icon';
import { OperationEntry } from './OperationEntry';

/** The GraphQL operations of each step, to learn from and to run in GraphiQL. */
export function DeveloperPanel({ onClose }: { onClose: () => void }): React.JSX.Element {
  const operations = useSyncExternalStore(subscribeOperationLog, readOperationLog);
  const { graphiqlPath } = useSession();
  return (
    <aside id="developer-panel" className="developer-panel" aria-label="GraphQL operations">
      <div className="developer-head">
        <h2>GraphQL operations</h2>
        <button type="button" className="button small" onClick={clearOperationLog}>
          Clear
        </button>
        <button
          type="button"
          className="icon-button"
          aria-label="Close the developer panel"
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </div>
      <p className="muted">
        What this page has sent, newest first. Copy an operation and its variables
        {graphiqlPath === null ? '. ' : ' into '}
        {graphiqlPath !== null && (
          <a href={graphiqlPath} target="_blank" rel="noreferrer">
            GraphiQL
          </a>
        )}
        {graphiqlPath === null ? '' : '. '}Headers, and with them your key, are never shown.
      </p>
      {operations.length === 0 && <p className="muted">Nothing has been sent yet.</p>}
      <ol className="operation-list">
        {operations.map((operation) => (
          <li key={operation.id}>
            <OperationEntry operation={operation} />
          </li>
        ))}
      </ol>
    </aside>
  );
}
