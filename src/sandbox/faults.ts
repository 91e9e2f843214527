import { z } from 'zod';
import type { Outcome } from './jobs';

/** What a fault can apply to: the paid calls, the polls, the balance, and the download of a result. */
export const operations = [
  'train',
  'generate',
  'instant',
  'model',
  'inference',
  'balance',
  'result',
] as const;

/** One of {@link operations}. An instant avatar is asked for as `inference`, like any other generation. */
export type Operation = (typeof operations)[number];

const common = {
  on: z.enum(operations),
  /** How many calls it befalls. */
  times: z.int().min(1).max(100_000).default(1),
  /** Instead of `times`: every call for so many milliseconds from now. */
  forMs: z.int().min(1).max(86_400_000).optional(),
};
/** Whether a paid call is executed (and counted) although its answer goes wrong. */
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
    anywhere('fewer-results', 'no-results'),
    anywhere('not-an-image', 'expired'),
  ])
  .superRefine((fault, context) => {
    const allowed = places[fault.kind];
    if (!allowed || allowed.includes(fault.on)) return;
    context.addIssue({
      code: 'custom',
      path: ['on'],
      message: `${fault.kind} befalls only ${allowed.join(', ')}`,
    });
  });

/** Kinds that make no sense everywhere. */
const places: Partial<Record<string, readonly Operation[]>> = {
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
  'not-an-image': ['result'],
  expired: ['result'],
};

/** A fault as it is asked for, in code or as the body of `POST /sandbox/faults`. */
export type SandboxFault = z.input<typeof faultSchema>;

/** A fault as it is carried out. */
export type Fault = z.output<typeof faultSchema>;

/** Reads what was asked for. The error says what is wrong, with its path. */
export function parseFault(input: unknown): Fault {
  const read = faultSchema.safeParse(input);
  if (read.success) return read.data;
  throw new FaultError(z.prettifyError(read.error));
}

/** A fault that does not exist. */
export class FaultError extends Error {}

/** Kinds that spoil an answer that must be there first, or nothing at all. */
const neverExecuted: ReadonlySet<string> = new Set(['reset-before', 'status', 'redirect']);

/** Whether a paid call that meets this fault is executed: unless told otherwise, only what answers by itself is not. */
export function executes(fault: Fault): boolean {
  const explicit = 'executed' in fault ? fault.executed : undefined;
  return explicit ?? !neverExecuted.has(fault.kind);
}

/** How a job that was submitted under this fault will end. */
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

/** The most faults that wait. */
const maxFaults = 10_000;

/** Faults that wait for their call, oldest first. */
export class FaultQueue {
  private waiting: { fault: Fault; left: number; untilMs: number }[] = [];

  /** @throws FaultError when too many wait already */
  add(fault: Fault): void {
    if (this.waiting.length >= maxFaults) throw new FaultError(`more than ${maxFaults} faults are waiting`);
    const { times, forMs } = fault;
    const isTimed = forMs !== undefined;
    this.waiting.push({
      fault,
      left: isTimed ? Infinity : times,
      untilMs: isTimed ? Date.now() + forMs : Infinity,
    });
  }

  /** The fault that this call meets, if any. */
  take(operation: Operation): Fault | undefined {
    const nowMs = Date.now();
    this.waiting = this.waiting.filter(({ untilMs }) => untilMs > nowMs);
    const entry = this.waiting.find(({ fault }) => fault.on === operation);
    if (!entry) return undefined;
    entry.left -= 1;
    if (entry.left === 0) this.waiting = this.waiting.filter((other) => other !== entry);
    return entry.fault;
  }

  clear(): void {
    this.waiting = [];
  }
}
