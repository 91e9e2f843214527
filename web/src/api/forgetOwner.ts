import { forgetOrders } from './orders';
import { store } from './storage';

/** Where the parts of the studio keep what an owner has entered and seen. */
export const ownerKeys = {
  details: (owner: string): string => `details.${owner}`,
  draft: (owner: string): string => `draft.${owner}`,
  cursor: (owner: string): string => `cursor.${owner}`,
};

/** Removes what this browser keeps of an owner, since the next person at it must not read names and prompts. */
export function forgetOwner(owner: string): void {
  for (const keyOf of Object.values(ownerKeys)) store(keyOf(owner), null);
  forgetOrders(owner);
}
