import { useId, useState } from 'react';
import { type CombinedError } from 'urql';
import { ConfirmDialog } from './ConfirmDialog';

export interface EraseDialogProps {
  readonly isBusy: boolean;
  readonly error: CombinedError | undefined;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

const word = 'DELETE';

/** Asks for a word, since nothing can be brought back. */
export function EraseDialog({ isBusy, error, onConfirm, onClose }: EraseDialogProps): React.JSX.Element {
  const [typed, setTyped] = useState('');
  const id = useId();
  return (
    <ConfirmDialog
      title="Erase all of your data?"
      action="Erase"
      isBusy={isBusy || typed !== word}
      error={error}
      onConfirm={onConfirm}
      onClose={onClose}
    >
      <p>All photos, models and avatars are deleted for good.</p>
      <p>Running trainings and avatars are stopped. Those that have begun are charged all the same.</p>
      <label htmlFor={id}>Type {word} to confirm</label>
      <input
        id={id}
        type="text"
        value={typed}
        autoComplete="off"
        onChange={(event) => setTyped(event.target.value)}
      />
    </ConfirmDialog>
  );
}
