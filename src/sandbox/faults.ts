import { z } from 'zod';
import { type Outcome, outcomes } from './jobs';

const submissions = ['train', 'generate', 'instant'] as const;
const polls = ['model', 'inference'] as const;

/** The operations that a fault can apply to: paid calls, polls, the balance, and the download of a result. */
export const operations = [...submissions, ...polls, 'balance', 'result'] as const;

/** One of {@link operations}. Polls of instant avatars count as `inference`. */
export type Operation = (typeof operations)[number];

/** Whether an operation is a paid call. */
export function isPaid(operation: Operation): boolean {
  return submissions.some((one) => one === operation);
}

/** Faults with the same options, and the operations that they apply to. */
const faults = <K extends string, O extends z.ZodRawShape>(
  allowed: readonly Operation[],
  kinds: readonly [K, ...K[]],
  options: O,
) =>
  z
    .strictObject({
      kind: z.enum(kinds),
      on: z.enum(operations),
      /** The number of calls it applies to. */
      times: z.int().min(1).max(100_000).default(1),
      /** Instead of `times`: applies to every call for this many milliseconds. */
      forMs: z.int().min(1).max(86_400_000).optional(),
      ...options,
    })
    .superRefine((fault, context) => {
      const { kind, on } = fault as unknown as { kind: K; on: Operation };
      if (allowed.includes(on)) return;
      const message = `${kind} applies only to ${allowed.join(', ')}`;
      context.addIssue({ code: 'custom', path: ['on'], message });
    });

/** Whether a paid call is executed and counted although its response is faulty. */
const executed = z.boolean().optional();

const faultSchema = z.union([
  faults(operations, ['status'], {
    status: z.int().min(200).max(599),
    headers: z.record(z.string().regex(/^[\w-]+$/), z.string().regex(/^[\x20-\x7e]*$/)).default({}),
    body: z.union([z.string(), z.record(z.string(), z.unknown())]).default(''),
    executed,
  }),
  faults(operations, ['redirect'], { location: z.string().regex(/^[\x21-\x7e]+$/), executed }),
  faults(operations, ['slow'], { everyMs: z.int().min(1).max(60_000).default(500) }),
  faults(polls, ['unknown-status'], { word: z.string().default('RECALIBRATING') }),
  faults([...submissions, ...polls], ['nested'], { word: z.string().default('success') }),
  faults(operations, ['hang', 'malformed', 'empty', 'html', 'huge', 'gzip-bomb'], { executed }),
  faults(operations, ['reset-before', 'reset-after', 'truncated'], {}),
  faults(submissions, ['no-id', 'duplicate-id'], {}),
  faults(polls, ['status-back'], {}),
  faults([...submissions, ...polls], ['failed', 'image-not-valid', 'never-done'], {}),
  faults(['generate', 'instant', 'inference'], ['fewer-results', 'no-results'], {}),
  faults(['inference'], ['long-url'], {}),
  faults(['result'], ['not-an-image', 'expired'], {}),
]);

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
export function effectOf(fault: Fault | undefined): Outcome {
  return outcomes.find((outcome) => outcome === fault?.kind) ?? 'done';
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
