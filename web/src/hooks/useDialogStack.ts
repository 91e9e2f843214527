import { useEffect, useSyncExternalStore, type RefObject } from 'react';

let open: readonly HTMLDialogElement[] = [];
const listeners = new Set<() => void>();

function change(next: readonly HTMLDialogElement[]): void {
  open = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** The open modal dialog that is in front; null without one. Everything outside of it is inert. */
export function useFrontDialog(): HTMLDialogElement | null {
  return useSyncExternalStore(subscribe, () => open.at(-1) ?? null);
}

/** Opens a dialog as a modal one while mounted, and gives the focus back afterwards. */
export function useModal(dialog: RefObject<HTMLDialogElement | null>): void {
  useEffect(() => {
    const element = dialog.current!;
    const before = document.activeElement;
    element.showModal();
    change([...open, element]);
    return () => {
      change(open.filter((other) => other !== element));
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [dialog]);
}
