import type { SandboxFault } from '../../src/sandbox/faults';
import type { Job } from '../support/client';
import { findViolations, rowId, statesOf } from '../support/faults-audit';
import type { FaultsEnvironment } from '../support/faults-environment';
import {
  ending,
  prepareFixtures,
  operations,
  order,
  retryAndPay,
  successes,
  type JobKind,
} from '../support/faults-jobs';

/** A fault without its operation. */
export type Misbehaviour = SandboxFault extends infer One
  ? One extends unknown
    ? Omit<One, 'on'>
    : never
  : never;

/**
 * How a paid call with a fault ends:
 * - `unknown`: UNCERTAIN, then SUBMISSION_UNKNOWN; a response is kept for the operator
 * - `resubmitted`: UNCERTAIN, then evidently not executed, and submitted again automatically; paid once
 * - `waits`: surely not executed, submitted again when the upstream allows, or later; paid once
 * - a failure code: refused with one call, nothing paid
 */
export type CallEnd = 'unknown' | 'resubmitted' | 'waits' | (string & {});

/** A row of the matrix for paid calls. */
export interface CallRow {
  name: string;
  kind: JobKind;
  fault: Misbehaviour;
  end: CallEnd;
  /** Whether the upstream executes it although its response is faulty. */
  executed: boolean;
  /** The minimum time until the next call, in milliseconds. */
  waitMs?: number;
  /** Whether the response is kept for the operator. */
  hasEvidence?: boolean;
}

/** Injects a fault into a paid call and waits for the end of the job. */
export async function runWithFault(environment: FaultsEnvironment, row: CallRow): Promise<void> {
  const { kind, fault } = row;
  await prepareFixtures(environment);
  // A response can have the id of another job only if there is one.
  if (fault.kind === 'duplicate-id') await ending(environment, kind, (await order(environment, kind)).id);
  const paidBefore = await environment.paid();
  const peak = await resetPeak(environment);
  await environment.sandbox.fault({ on: operations[kind], ...fault });
  const { id } = await order(environment, kind);
  const job = await ending(environment, kind, id);
  const paid = (await environment.paid()) - paidBefore;
  await checkOutcome(environment, row, job, paid);
  const grown = ((await environment.gateway.memory()).peak - peak) / 1e6;
  if (grown > 100) throw new Error(`The gateway's memory grew by ${Math.round(grown)} MB.`);
  if (row.end === 'unknown') await retryAndPay(environment, kind, job);
  const violations = await findViolations(environment);
  if (violations.length > 0) throw new Error(violations.join('\n'));
}

/** Resets and returns the peak memory of the gateway. */
export async function resetPeak(environment: FaultsEnvironment): Promise<number> {
  await environment.gateway.forgetPeak();
  return (await environment.gateway.memory()).peak;
}

interface Call {
  outcome: string;
  evidence: string | null;
  at: Date;
}

async function checkOutcome(
  environment: FaultsEnvironment,
  row: CallRow,
  job: Job,
  paid: number,
): Promise<void> {
  const states = await statesOf(environment, job.id);
  const calls = await environment.rows<Call>(
    `SELECT outcome, evidence, called_at AS at FROM submissions
      WHERE coalesce(model_id, generation_id) = $1 ORDER BY attempt`,
    [rowId(job.id)],
  );
  const facts = {
    status: job.status,
    code: job.failure?.code ?? null,
    paid,
    outcomes: calls.map(({ outcome }) => outcome).join(),
    isUnsure: states.includes('UNCERTAIN'),
  };
  const expected = expectedOf(row);
  if (JSON.stringify(facts) !== JSON.stringify(expected)) {
    throw new Error(
      `Expected ${JSON.stringify(expected)}, received ${JSON.stringify(facts)}: ${states.join(' → ')}.`,
    );
  }
  checkCalls(row, calls);
}

function checkCalls({ hasEvidence, waitMs = 0 }: CallRow, [first, second]: readonly Call[]): void {
  if (hasEvidence && !first!.evidence?.startsWith('HTTP ')) throw new Error('The answer was not kept.');
  const gapMs = second ? second.at.getTime() - first!.at.getTime() : Infinity;
  if (gapMs < waitMs) throw new Error(`It was called again after ${gapMs} ms.`);
}

function expectedOf({ kind, end, executed }: CallRow): object {
  const success = { status: successes[kind], code: null, paid: 1 };
  switch (end) {
    case 'unknown':
      return {
        status: 'FAILED',
        code: 'SUBMISSION_UNKNOWN',
        paid: executed ? 1 : 0,
        outcomes: 'UNKNOWN',
        isUnsure: true,
      };
    case 'resubmitted':
      return { ...success, outcomes: 'NOT_EXECUTED,ACCEPTED', isUnsure: true };
    case 'waits':
      return { ...success, outcomes: 'NOT_EXECUTED,ACCEPTED', isUnsure: false };
    default:
      return { status: 'FAILED', code: end, paid: 0, outcomes: 'REFUSED', isUnsure: false };
  }
}
