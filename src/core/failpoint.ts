/**
 * The hook of the failpoints: named points at which a test may delay or kill the process. No setting or request can
 * activate one; only code that is preloaded (`node -r …`) can set a function under this symbol. Inactive failpoints cost
 * one lookup.
 */
const hookSymbol = Symbol.for('likeness.failpoint');

type Failpoint = (name: FailpointName) => Promise<void> | void;

/** The points of job processing at which the fault suite kills the process. */
export type FailpointName =
  | 'mutation:committed'
  | 'submission:before-call'
  | 'submission:answered'
  | 'submission:journaled'
  | 'submission:stored'
  | 'poll:answered'
  | 'move:before-commit'
  | 'move:committed'
  | 'result:fetched'
  | 'result:written'
  | 'result:stored'
  | 'result:shown'
  | 'delete:marked'
  | 'delete:bytes-gone'
  | 'media:verified'
  | 'events:numbering'
  | 'webhook:found'
  | 'webhook:read'
  | 'webhook:answered';

/** Awaits the hook if a test has set one. */
export async function failpoint(name: FailpointName): Promise<void> {
  const hook = (globalThis as { [hookSymbol]?: Failpoint })[hookSymbol];
  if (hook) await hook(name);
}
