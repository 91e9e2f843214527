import { useState } from 'react';
import { hasOrders } from '../api/orders';
import { useSession } from '../api/session';
import { ConfirmDialog } from './ConfirmDialog';

/** Signs out; asks first if that forgets the key of an order, without which ordering again would pay again. */
export function SignOutButton({ onSignOut }: { readonly onSignOut: () => void }): React.JSX.Element {
  const { owner } = useSession();
  const [isAsking, setAsking] = useState(false);
  return (
    <>
      <button
        type="button"
        className="button"
        onClick={() => (hasOrders(owner) ? setAsking(true) : onSignOut())}
      >
        Sign out
      </button>
      {isAsking && (
        <ConfirmDialog
          title="Sign out before an order is answered?"
          action="Sign out and forget it"
          onConfirm={onSignOut}
          onClose={() => setAsking(false)}
        >
          <p>
            The server has not confirmed an order yet, but may have received it. Signing out removes the order
            from this browser. Check your models and avatars before you order it again: it would be charged
            again.
          </p>
        </ConfirmDialog>
      )}
    </>
  );
}
