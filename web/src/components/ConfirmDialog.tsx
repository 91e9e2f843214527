import { type ReactNode } from 'react';
import { type CombinedError } from 'urql';
import { readProblem } from '../api/errors';
import { Dialog } from './Dialog';
import { ProblemNotice } from './ProblemNotice';

export interface ConfirmDialogProps {
  readonly title: string;
  /** What the button does, for example "Delete". */
  readonly action: string;
  readonly isBusy?: boolean;
  /** Why it was not done. */
  readonly error?: CombinedError | undefined;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** Asks before something is deleted for good. */
export function ConfirmDialog(props: ConfirmDialogProps): React.JSX.Element {
  const { title, action, isBusy = false, error, onConfirm, onClose, children } = props;
  return (
    <Dialog label={title} className="confirm-dialog" onClose={onClose}>
      <h2>{title}</h2>
      {children}
      {error && !isBusy && <ProblemNotice problem={readProblem(error)} />}
      <div className="row end">
        <button type="button" className="button" onClick={onClose}>
          Keep
        </button>
        <button type="button" className="button danger" disabled={isBusy} onClick={onConfirm}>
          {action}
        </button>
      </div>
    </Dialog>
  );
}
