import { z } from 'zod';
import type { Outcome } from './jobs';

/** The operations that a fault can apply to: paid calls, polls, the balance, and the download of a result. */
export const operations = [
  'train',
  'generate',
  'instant',
  'model',
  'inference',
  'balance',
  'result',
] as const;

/** One of {@link operations}. Polls of instant avatars count as `inference`. */
export type Operation = (typeof operations)[number];

const common = {
  on: z.enum(operations),
  /** The number of calls it applies to. */
  times: z.int().min(1).max(100_000).default(1),
  /** Instead of `times`: applies to every call for this many milliseconds. */
  forMs: z.int().min(1).max(86_400_000).optional(),
};
/** Whether a paid call is executed and counted although its response is faulty. */
const maybeExecuted = z.boolean().optional();
const anywhere = <K extends string>(...kinds: [K, ...K[]]) =>
  z.strictObject({ ...common, kind: z.enum(kinds) });

const faultSchema = z
  .union([
    z.strictObject({
      ...common,
      kind: z.literal('status'),
      status: z.int().min(200).max(599),
      headers: z.record(z.string().regex(/^[\w-]+$/), z.string().regex(/^[\x20-\x7e]*$/)).default({}),
      body: z.union([z.string(), z.record(z.string(), z.unknown())]).default(''),
      executed: maybeExecuted,
    }),
    z.strictObject({
      ...common,
      kind: z.literal('redirect'),
      location: z.string().regex(/^[\x21-\x7e]+$/),
      executed: maybeExecuted,
    }),
    z.strictObject({ ...common, kind: z.literal('slow'), everyMs: z.int().min(1).max(60_000).default(500) }),
    z.strictObject({
      ...common,
      kind: z.literal('unknown-status'),
      word: z.string().default('RECALIBRATING'),
    }),
    z.strictObject({ ...common, kind: z.literal('nested'), word: z.string().default('success') }),
    z.strictObject({
      ...common,
      kind: z.enum(['hang', 'malformed', 'empty', 'html', 'huge', 'gzip-bomb']),
      executed: maybeExecuted,
    }),
    anywhere('reset-before', 'reset-after', 'truncated'),
    anywhere('no-id', 'duplicate-id'),
    anywhere('status-back'),
    anywhere('failed', 'image-not-valid', 'never-done'),
    anywhere('fewer-results', 'no-results', 'long-url'),
    anywhere('not-an-image', 'expired'),
  ])
  .superRefine((fault, context) => {
    const allowed = allowedOperations[fault.kind];
    if (!allowed || allowed.includes(fault.on)) return;
    context.addIssue({
      code: 'custom',
      path: ['on'],
      message: `${fault.kind} applies only to ${allowed.join(', ')}`,
    });
  });

/** The operations of kinds that do not apply to all of them. */
const allowedOperations: Partial<Record<string, readonly Operation[]>> = {
  'unknown-status': ['model', 'inference'],
  'status-back': ['model', 'inference'],
  nested: ['train', 'generate', 'instant', 'model', 'inference'],
  'no-id': ['train', 'generate', 'instant'],
  'duplicate-id': ['train', 'generate', 'instant'],
  failed: ['train', 'generate', 'instant', 'model', 'inference'],
  'image-not-valid': ['train', 'generate', 'instant', 'model', 'inference'],
  'never-done': ['train', 'generate', 'instant', 'model', 'inference'],
  'fewer-results': ['generate', 'instant', 'inference'],
  'no-results': ['generate', 'instant', 'inference'],
  'long-url': ['inference'],
  'not-an-image': ['result'],
  expired: ['result'],
};

/** A fault as requested in code or in the body of `POST /sandbox/faults`. */
export type SandboxFault = z.input<typeof faultSchema>;

/** A validated fault with its defaults. */
export type Fault = z.output<typeof faultSchema>;

/**
 * Validates a requested fault.
 * @throws FaultError with the path and the reason
 */
export function parseFault(input: unknown): Fault {
  const read = faultSchema.safeParse(input);
  if (read.success) return read.data;
  throw new FaultError(z.prettifyError(read.error));
}

/** An invalid fault, or too many of them. */
export class FaultError extends Error {}

/** Kinds whose calls are not executed by default: the response does not come from the operation. */
const neverExecuted: ReadonlySet<string> = new Set(['reset-before', 'status', 'redirect']);

/** Whether a paid call with this fault is executed: as the fault specifies, else by its kind. */
export function executes(fault: Fault): boolean {
  const explicit = 'executed' in fault ? fault.executed : undefined;
  return explicit ?? !neverExecuted.has(fault.kind);
}

/** The outcome of a job that was submitted with this fault. */
export function outcomeOf(fault: Fault | undefined): Outcome {
  switch (fault?.kind) {
    case 'failed':
    case 'image-not-valid':
    case 'never-done':
    case 'fewer-results':
    case 'no-results':
      return fault.kind;
    default:
      return 'done';
  }
}

/** The maximum number of pending faults. */
const maxFaults = 10_000;

/** Pending faults, oldest first. */
export class FaultQueue {
  private pending: { fault: Fault; left: number; untilMs: number }[] = [];

  /** @throws FaultError if {@link maxFaults} are pending */
  add(fault: Fault): void {
    if (this.pending.length >= maxFaults) throw new FaultError(`more than ${maxFaults} faults are pending`);
    const { times, forMs } = fault;
    const isTimed = forMs !== undefined;
    this.pending.push({
      fault,
      left: isTimed ? Infinity : times,
      untilMs: isTimed ? Date.now() + forMs : Infinity,
    });
  }

  /** Takes the oldest fault of an operation, if any. */
  take(operation: Operation): Fault | undefined {
    const nowMs = Date.now();
    this.pending = this.pending.filter(({ untilMs }) => untilMs > nowMs);
    const entry = this.pending.find(({ fault }) => fault.on === operation);
    if (!entry) return undefined;
    entry.left -= 1;
    if (entry.left === 0) this.pending = this.pending.filter((other) => other !== entry);
    return entry.fault;
  }

  clear(): void {
    this.pending = [];
  }
}
