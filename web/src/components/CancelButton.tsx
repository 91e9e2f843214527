import { useState } from 'react';
import { type GenerationStatus, type ModelStatus } from '../graphql/operations';
import { ConfirmDialog } from './ConfirmDialog';

export interface CancelButtonProps {
  readonly status: ModelStatus | GenerationStatus;
  readonly onCancel: () => void;
}

/** Cancels a job; asks before if the avatar service may have accepted it, since it is charged then. */
export function CancelButton({ status, onCancel }: CancelButtonProps): React.JSX.Element {
  const [isAsking, setAsking] = useState(false);
  return (
    <>
      <button
        type="button"
        className="button small"
        onClick={() => (status === 'QUEUED' ? onCancel() : setAsking(true))}
      >
        Cancel
      </button>
      {isAsking && (
        <ConfirmDialog
          title="Cancel it although it is charged?"
          action="Cancel it"
          onConfirm={() => {
            setAsking(false);
            onCancel();
          }}
          onClose={() => setAsking(false)}
        >
          <p>The work has begun, and is charged all the same. What is not finished is lost.</p>
        </ConfirmDialog>
      )}
    </>
  );
}
