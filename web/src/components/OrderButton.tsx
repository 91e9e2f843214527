import { type ReactNode } from 'react';

export interface OrderButtonProps {
  readonly className?: string;
  readonly describedBy?: string;
  /** Whether there is something to order. */
  readonly isReady: boolean;
  readonly isSending: boolean;
  readonly onOrder: () => void;
  readonly children: ReactNode;
}

/** Orders something that is paid for. A key that is held down orders once. */
export function OrderButton(props: OrderButtonProps): React.JSX.Element {
  const { className = '', describedBy, isReady, isSending, onOrder, children } = props;
  const isActive = isReady && !isSending;
  return (
    <button
      type="button"
      className={`button ${className}`}
      aria-disabled={!isActive}
      aria-describedby={describedBy}
      onKeyDown={(event) => {
        if (event.repeat && event.key === 'Enter') event.preventDefault();
      }}
      onClick={() => isActive && onOrder()}
    >
      {isSending ? 'Sending …' : children}
    </button>
  );
}
