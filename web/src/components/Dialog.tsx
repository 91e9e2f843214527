import { useRef, type ReactNode } from 'react';
import { useModal } from '../hooks/useDialogStack';
import { Messages } from './Messages';

export interface DialogProps {
  readonly label: string;
  readonly className?: string;
  readonly onClose: () => void;
  readonly onKeyDown?: (event: React.KeyboardEvent) => void;
  readonly children: ReactNode;
}

/**
 * A modal dialog: the browser keeps the focus inside, closes it on Escape, and gives the focus back. It has a list of
 * messages of its own, since the one of the page cannot be read or reached while it is open.
 */
export function Dialog({
  label,
  className = '',
  onClose,
  onKeyDown,
  children,
}: DialogProps): React.JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useModal(dialog);
  // React passes events of a dialog in this one on, also those that do not bubble.
  const isOwn = ({ target }: React.SyntheticEvent): boolean =>
    target instanceof Element && target.closest('dialog') === dialog.current;
  return (
    <dialog
      ref={dialog}
      aria-label={label}
      className={`dialog ${className}`}
      onCancel={(event) => {
        event.preventDefault();
        if (isOwn(event)) onClose();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onClose();
      }}
      onKeyDown={(event) => isOwn(event) && onKeyDown?.(event)}
    >
      {children}
      <Messages dialog={dialog} />
    </dialog>
  );
}
