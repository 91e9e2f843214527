import { readStored, store } from './storage';

/**
 * An order is a mutation that is paid for. Its key is made and stored before the first attempt, and kept until the server
 * has answered, so that a double click, a reload or a retry pays once.
 */
export interface Order<Input> {
  readonly idempotencyKey: string;
  readonly input: Input;
}

/** @param slot - what is ordered, one order at a time: `train`, or `generate.` with the id of the model */
const storageKey = (owner: string, slot: string): string => `order.${owner}.${slot}`;

/** The order whose answer has not arrived, if there is one. */
export function readOrder<Input>(owner: string, slot: string): Order<Input> | null {
  return readStored(storageKey(owner, slot)) as Order<Input> | null;
}

/** Starts an order, or continues the one for the same input. */
export function beginOrder<Input>(owner: string, slot: string, input: Input): Order<Input> {
  const earlier = readOrder<Input>(owner, slot);
  if (earlier && JSON.stringify(earlier.input) === JSON.stringify(input)) return earlier;
  const order = { idempotencyKey: newKey(), input };
  store(storageKey(owner, slot), order);
  return order;
}

export function endOrder(owner: string, slot: string): void {
  store(storageKey(owner, slot), null);
}

/** Random, in the form of a UUID. (`crypto.randomUUID` is missing on pages without HTTPS.) */
function newKey(): string {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) =>
    byte.toString(16).padStart(2, '0'),
  );
  return hex.join('').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
