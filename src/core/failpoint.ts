/**
 * A named point where a test may stop the world. Nothing in the program, no setting and no request can arm one:
 * only code loaded before it (`node -r …`) that puts a function on this symbol. Otherwise it costs one lookup.
 */
const armed = Symbol.for('likeness.failpoint');

type Failpoint = (name: FailpointName) => Promise<void> | void;

/** Every point on a job's way at which the fault suite kills the process. */
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
  | 'delete:bytes-gone';

/** Waits for whatever a test has armed here; does nothing otherwise. */
export async function failpoint(name: FailpointName): Promise<void> {
  const hook = (globalThis as { [armed]?: Failpoint })[armed];
  if (hook) await hook(name);
}
