import { serverNow } from './serverClock';
import { lifetimeOf, readStored, store, storedKeys, storeSafely, type Lifetime } from './storage';

/**
 * An order is a mutation that is paid for. Its key is made and stored before the first attempt, and kept until the server
 * has answered, so that a double click, a reload or a retry pays once.
 */
export interface Order<Input> {
  readonly idempotencyKey: string;
  readonly input: Input;
  /** In milliseconds, by the clock of the server, since that of this browser may be set meanwhile. */
  readonly createdAt: number;
  /** Whether another input was ordered instead. It is sent only if the same input is ordered again. */
  readonly isReplaced?: boolean;
}

/** For how long the server promises to recognize a key, less the time that a request may take. */
const maxAgeMs = (24 * 60 - 10) * 60 * 1_000;
/** A later time of creation means that a clock was set since, so that the age is unknown. */
const maxClockChangeMs = 60_000;

const allPrefix = 'order/';
/** Owners and slots may contain dots, so that the separator is a character that is always encoded. */
const prefixOf = (...parts: string[]): string => `${allPrefix}${parts.map(encodeURIComponent).join('/')}/`;

/** Each order has an entry of its own, since several tabs may order at the same time. */
const storageKey = (owner: string, slot: string, { idempotencyKey }: Order<unknown>): string =>
  prefixOf(owner, slot) + idempotencyKey;

/**
 * The orders whose answers have not arrived, the newest first.
 * @param slot - what is ordered: `train`, or `generate.` with the id of the model
 */
function readOrders<Input>(owner: string, slot: string): Order<Input>[] {
  return storedKeys(prefixOf(owner, slot))
    .flatMap((key) => (readStored(key) as Order<Input> | null) ?? [])
    .sort((one, other) => other.createdAt - one.createdAt);
}

/** The orders to send without being asked, and those that are too old for it: see {@link isExpired}. */
export function readPendingOrders<Input>(owner: string, slot: string): Order<Input>[] {
  return readOrders<Input>(owner, slot).filter((order) => order.isReplaced !== true || isExpired(order));
}

/** The slots with pending orders, which are sent while the page of the slot is shown. */
export function pendingSlots(owner: string): string[] {
  const start = prefixOf(owner);
  const slots = storedKeys(start).map((key) => decodeURIComponent(key.slice(start.length).split('/')[0]!));
  return slots.filter((slot) => readPendingOrders(owner, slot).length > 0);
}

/** Drafts and cursors are removed where orders need their space, since a lost order could be paid again. */
const isDispensable = (key: string, value: unknown): boolean =>
  !key.startsWith(allPrefix) || value === null || isExpired(value as Order<unknown>);

/** Lets the browser ask before a reload or the closing of the page, while it alone has the key of an order. */
const askBeforeLeaving = (event: BeforeUnloadEvent): void => {
  if (storedKeys(allPrefix).some((key) => lifetimeOf(key) === 'page')) event.preventDefault();
};

export interface OrderOptions<Input> {
  /** The order of this page that was refused and is kept; a different input replaces it. */
  readonly refused: Order<Input> | null;
  /** Whether to begin an order that a reload would forget. */
  readonly isUnkeptAccepted: boolean;
  /** Makes the key of a new order. */
  readonly newKey: (input: Input) => string;
}

/**
 * Starts an order, or continues the one for the same input.
 * @returns null if a reload would forget the new order, and that is not accepted
 */
export function beginOrder<Input>(
  owner: string,
  slot: string,
  input: Input,
  { refused, isUnkeptAccepted, newKey }: OrderOptions<Input>,
): Order<Input> | null {
  const earlier = readOrders<Input>(owner, slot);
  const same = earlier.find((order) => JSON.stringify(order.input) === JSON.stringify(input));
  const order = {
    ...(same ?? { idempotencyKey: newKey(input), input, createdAt: serverNow() }),
    isReplaced: false,
  };
  const lifetime = storeSafely(storageKey(owner, slot, order), order, isDispensable);
  if (lifetime === 'page') {
    if (!same && !isUnkeptAccepted) {
      endOrder(owner, slot, order);
      return null;
    }
    addEventListener('beforeunload', askBeforeLeaving);
  }
  const replaced = earlier.find(({ idempotencyKey }) => idempotencyKey === refused?.idempotencyKey);
  if (replaced)
    storeSafely(storageKey(owner, slot, replaced), { ...replaced, isReplaced: true }, isDispensable);
  return order;
}

/** Whether the server may no longer recognize the key, so that sending the order could pay it again. */
export function isExpired({ createdAt }: Order<unknown>): boolean {
  const ageMs = serverNow() - createdAt;
  return !(ageMs > -maxClockChangeMs && ageMs < maxAgeMs);
}

/** For how long this browser keeps an order that was begun. */
export function orderLifetime(owner: string, slot: string, order: Order<unknown>): Lifetime {
  return lifetimeOf(storageKey(owner, slot, order));
}

export function endOrder(owner: string, slot: string, order: Order<unknown>): void {
  store(storageKey(owner, slot, order), null);
}

/** Whether the owner has orders whose keys are still of use. */
export function hasOrders(owner: string): boolean {
  return storedKeys(prefixOf(owner)).some((key) => {
    const order = readStored(key) as Order<unknown> | null;
    return order !== null && !isExpired(order);
  });
}

/** Removes the orders of all slots. */
export function forgetOrders(owner: string): void {
  for (const key of storedKeys(prefixOf(owner))) store(key, null);
}

/** Random, in the form of a UUID. (`crypto.randomUUID` is missing on pages without HTTPS.) */
export function randomKey(): string {
  return uuidOf([...crypto.getRandomValues(new Uint8Array(16))]);
}

/**
 * A key for an input that is ordered once, such as a training from photos that were uploaded for it: tabs that order it at the
 * same moment do not see each other's orders yet, but have the same key. (`crypto.subtle` is missing on pages without HTTPS.)
 */
export function keyOfInput(input: unknown): string {
  const text = JSON.stringify(input);
  // Four hashes of 32 bits (FNV-1a), each with another beginning.
  const words = [0x811c9dc5, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35].map((start) => {
    let hash = start;
    for (let index = 0; index < text.length; index += 1)
      hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
    return hash ^ (hash >>> 15);
  });
  return uuidOf(words.flatMap((word) => [24, 16, 8, 0].map((bits) => (word >>> bits) & 0xff)));
}

function uuidOf(bytes: readonly number[]): string {
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
