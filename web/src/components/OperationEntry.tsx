import { type LoggedOperation } from '../api/operationLog';
import { CopyButton } from './CopyButton';

/** One line, which opens to show document and variables. */
export function OperationEntry({ operation }: { operation: LoggedOperation }): React.JSX.Element {
  const { kind, name, document, variables, durationMs, answers, error } = operation;
  const variablesText = JSON.stringify(variables ?? {}, null, 2);
  const outcome = kind === 'subscription' ? `${answers} events` : `${durationMs ?? '…'} ms`;
  return (
    <details className="operation">
      <summary>
        <span className={`operation-kind ${kind}`}>{kind}</span>
        <span className="operation-name">{name}</span>
        <span className={error === null ? 'muted' : 'field-error'}>{error === null ? outcome : 'error'}</span>
      </summary>
      {error !== null && <p className="field-error">{error}</p>}
      <div className="operation-part">
        <span>Operation</span>
        <CopyButton text={document} label={`Copy the operation ${name}`} />
      </div>
      <pre tabIndex={0} role="region" aria-label={`Operation ${name}`}>
        {document}
      </pre>
      <div className="operation-part">
        <span>Variables</span>
        <CopyButton text={variablesText} label={`Copy the variables of ${name}`} />
      </div>
      <pre tabIndex={0} role="region" aria-label={`Variables of ${name}`}>
        {variablesText}
      </pre>
    </details>
  );
}
