import { type FailureFieldsFragment } from '../graphql/operations';
import { Icon } from './Icon';
import { OrderButton } from './OrderButton';

export interface FailureNoticeProps {
  readonly failure: FailureFieldsFragment;
  readonly canRetry: boolean;
  readonly retryLabel: string;
  readonly isRetrying: boolean;
  readonly onRetry: () => void;
}

/** Why a job failed, and whether it can be repeated. */
export function FailureNotice(props: FailureNoticeProps): React.JSX.Element {
  const { failure, canRetry, retryLabel, isRetrying, onRetry } = props;
  return (
    <div className="problem-notice">
      <Icon name="warning" />
      <div>
        <p>
          <strong>{failure.message}</strong>
        </p>
        <p className="problem-code">{failure.code}</p>
        {canRetry && (
          <>
            <OrderButton isReady isSending={isRetrying} onOrder={onRetry}>
              <Icon name="retry" />
              {retryLabel}
            </OrderButton>
            <p className="muted">It is a new attempt, and is charged like the first.</p>
          </>
        )}
      </div>
    </div>
  );
}
