import type { SandboxFault } from '../../src/upstream/sandbox/faults';
import { complaints } from './faults-audit';
import type { FaultsHouse } from './faults-house';
import { ending, furnish, order, type JobKind } from './faults-jobs';
import { freshPeak } from './faults-upstream';

/** A row of the matrix for what is asked after the paid call: states and pictures. */
export interface AnswerRow {
  name: string;
  kind: JobKind;
  faults: readonly SandboxFault[];
  /** The state in which it ends, with the failure's code behind it if it fails: `FAILED UPSTREAM_FAILED`. */
  end: string;
  /** How many avatars there are in the end, all of which can be opened. */
  avatars?: number;
  /** Whether the pictures arrive once the upstream delivers them. */
  isLate?: boolean;
  /** What the operator is warned of, and how loudly. */
  warning?: { words: RegExp; level: 'warn' | 'error' };
  /** A counter of /metrics that has gone up. */
  metric?: string;
}

/** Lets a job's questions meet faults and watches it to its end: whatever happens, it was paid once. */
export async function meetAnswers(house: FaultsHouse, row: AnswerRow): Promise<void> {
  await furnish(house);
  const paidBefore = await house.paid();
  const metricBefore = await metricOf(house, row);
  const peak = await freshPeak(house);
  for (const fault of row.faults) await house.sandbox.fault(fault);
  const { id } = await order(house, row.kind);
  const job = await ending(house, row.kind, id);
  const end = [job.status, job.failure?.code].filter(Boolean).join(' ');
  const paid = (await house.paid()) - paidBefore;
  const grown = ((await house.gateway.memory()).peak - peak) / 1e6;
  const shown = await pictureComplaints(house, row, id);
  await house.clearFaults();
  if (row.isLate) await ending(house, row.kind, id, ({ status }) => status === 'COMPLETED');
  const found = [
    ...(end === row.end ? [] : [`It ended ${end}, not ${row.end}.`]),
    ...(paid === 1 ? [] : [`It was paid ${paid} times.`]),
    ...(grown <= 100 ? [] : [`The gateway's memory grew by ${Math.round(grown)} MB.`]),
    ...shown,
    ...(await alertComplaints(house, row, metricBefore)),
    ...(await complaints(house)),
  ];
  if (found.length > 0) throw new Error(found.join('\n'));
}

async function metricOf(house: FaultsHouse, { metric }: AnswerRow): Promise<number> {
  return metric === undefined ? 0 : house.gateway.metric(metric);
}

async function pictureComplaints(house: FaultsHouse, row: AnswerRow, id: string): Promise<string[]> {
  if (row.kind === 'training') return [];
  const shown = await house.client.avatars(id);
  const wanted = row.avatars ?? 0;
  const opened = await Promise.all(shown.map(async ({ url }) => (await fetch(url)).status));
  return [
    ...(shown.length === wanted ? [] : [`There are ${shown.length} avatars, not ${wanted}.`]),
    ...opened.filter((status) => status !== 200).map((status) => `A picture is answered with ${status}.`),
  ];
}

async function alertComplaints(house: FaultsHouse, row: AnswerRow, before: number): Promise<string[]> {
  const { warning, metric } = row;
  const isSilent = warning && house.gateway.said(warning.words, warning.level).length === 0;
  const isUncounted = metric && (await metricOf(house, row)) <= before;
  return [
    ...(isSilent ? [`Nobody was told "${String(warning.words)}".`] : []),
    ...(isUncounted ? [`${metric} has not gone up.`] : []),
  ];
}
