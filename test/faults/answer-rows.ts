import type { SandboxFault } from '../../src/sandbox/faults';
import { findViolations } from '../support/faults-audit';
import type { FaultsEnvironment } from '../support/faults-environment';
import { ending, prepareFixtures, order, type JobKind } from '../support/faults-jobs';
import { resetPeak } from './call-rows';

/** A row of the matrix for polls and picture downloads after the paid call. */
export interface AnswerRow {
  name: string;
  kind: JobKind;
  faults: readonly SandboxFault[];
  /** The final state, with the failure code if it fails: `FAILED UPSTREAM_FAILED`. */
  end: string;
  /** The final number of avatars, all of which can be opened. */
  avatars?: number;
  /** Whether the pictures arrive once the upstream delivers them. */
  isLate?: boolean;
  /** The log line for the operator, and its level. */
  warning?: { words: RegExp; level: 'warn' | 'error' };
  /** A counter of /metrics that must increase. */
  metric?: string;
}

/** Injects faults into polls and downloads of a job and waits for its end: it must be paid exactly once. */
export async function runWithAnswerFaults(environment: FaultsEnvironment, row: AnswerRow): Promise<void> {
  await prepareFixtures(environment);
  const paidBefore = await environment.paid();
  const metricBefore = await metricOf(environment, row);
  const peak = await resetPeak(environment);
  for (const fault of row.faults) await environment.sandbox.fault(fault);
  const { id } = await order(environment, row.kind);
  const job = await ending(environment, row.kind, id);
  const end = [job.status, job.failure?.code].filter(Boolean).join(' ');
  const paid = (await environment.paid()) - paidBefore;
  const grown = ((await environment.gateway.memory()).peak - peak) / 1e6;
  const avatarProblems = await pictureProblems(environment, row, id);
  await environment.clearFaults();
  if (row.isLate) await ending(environment, row.kind, id, ({ status }) => status === 'COMPLETED');
  const problems = [
    ...(end === row.end ? [] : [`It ended ${end}, not ${row.end}.`]),
    ...(paid === 1 ? [] : [`It was paid ${paid} times.`]),
    ...(grown <= 100 ? [] : [`The gateway's memory grew by ${Math.round(grown)} MB.`]),
    ...avatarProblems,
    ...(await alertProblems(environment, row, metricBefore)),
    ...(await findViolations(environment)),
  ];
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

async function metricOf(environment: FaultsEnvironment, { metric }: AnswerRow): Promise<number> {
  return metric === undefined ? 0 : environment.gateway.metric(metric);
}

async function pictureProblems(
  environment: FaultsEnvironment,
  row: AnswerRow,
  id: string,
): Promise<string[]> {
  if (row.kind === 'training') return [];
  const avatars = await environment.client.avatars(id);
  const expected = row.avatars ?? 0;
  const opened = await Promise.all(avatars.map(async ({ url }) => (await fetch(url)).status));
  return [
    ...(avatars.length === expected ? [] : [`There are ${avatars.length} avatars, not ${expected}.`]),
    ...opened.filter((status) => status !== 200).map((status) => `A picture is answered with ${status}.`),
  ];
}

async function alertProblems(
  environment: FaultsEnvironment,
  row: AnswerRow,
  before: number,
): Promise<string[]> {
  const { warning, metric } = row;
  const isSilent = warning && environment.gateway.said(warning.words, warning.level).length === 0;
  const isUncounted = metric && (await metricOf(environment, row)) <= before;
  return [
    ...(isSilent ? [`The warning "${String(warning.words)}" was not logged.`] : []),
    ...(isUncounted ? [`${metric} has not increased.`] : []),
  ];
}
