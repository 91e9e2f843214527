import sharp from 'sharp';
import type { JobRow } from '../../../src/jobs/job.kind';
import type { SubmissionEntity } from '../../../src/jobs/submission.entity';
import { DownloadError, type Download } from '../../../src/upstream/download';
import type { Job } from '../../support/job-harness';
import type { JobProcess } from '../../support/job-process';
import {
  accepts,
  isUnclear,
  isUnreachable,
  refuses,
  saysLater,
  type ScriptedResponse,
  type PaidCall,
} from '../../support/scripted-provider';
import type { ResponseName } from './steps';

/** A paid call from the point of view of the upstream. */
export interface UpstreamCall {
  job: TrackedJob;
  attempt: number;
  paid: PaidCall;
  by: JobProcess;
  /** Whether the upstream executes and charges it. */
  isExecuted: boolean;
  /** The id in the response; null before. */
  ref: string | null;
  /** Whether the calling process was running long enough to record the response. */
  isKnown: boolean;
}

/** A job with its history. */
export interface TrackedJob extends Job {
  isDeleted: boolean;
  /** Accepted retries by a person. */
  retries: number;
  retriesSinceCall: number;
  /** Ids of attempts that a retry has replaced. */
  setAside: Set<string>;
  /** The row at the last check. */
  last: JobRow | null;
}

/**
 * The response to a call; records the facts of the call.
 * @param refs - an unused id and a used one
 */
export function responseOf(
  call: UpstreamCall,
  name: ResponseName,
  refs: { fresh: string; used: string },
): ScriptedResponse {
  const accept = (ref: string): ScriptedResponse => {
    call.ref = ref;
    call.isKnown = !call.by.isDead && call.by.dyingAt !== 'submission:answered';
    return accepts(ref);
  };
  switch (name) {
    case 'accept':
    case 'acceptWhileCut':
      return accept(refs.fresh);
    case 'duplicate':
      return accept(refs.used);
    case 'refuse':
      return refuses('UPSTREAM_REJECTED');
    case 'refuseForNow':
      return refuses('UPSTREAM_CREDITS');
    case 'later':
      return saysLater(30_000);
    case 'unreachable':
      return isUnreachable();
    case 'unclearTaken':
    case 'unclearLost':
      return isUnclear();
  }
}

/** Changes that a person can request. */
export type Change = 'cancel' | 'retry' | 'delete';

/** The documented error code with which a change is rejected; null if it is accepted. */
export function refusalOf(change: Change, row: JobRow | null): string | null {
  if (change === 'delete') return null;
  if (!row) return 'NOT_FOUND';
  const isOver = ['READY', 'COMPLETED', 'PARTIAL', 'FAILED'].includes(row.status);
  if (change === 'cancel') return isOver ? 'NOT_CANCELLABLE' : null;
  const may = row.status === 'UNCERTAIN' || (row.status === 'FAILED' && row.failureRetryable === true);
  return may ? null : 'NOT_RETRYABLE';
}

/** Records an accepted change. */
export function noteChange(job: TrackedJob, change: Change, before: JobRow | null): void {
  if (change === 'delete') job.isDeleted = true;
  if (change !== 'retry') return;
  job.retries += 1;
  job.retriesSinceCall += 1;
  if (before?.providerRef) job.setAside.add(before.providerRef);
}

/** Lists violations by a call, given the ledger at its arrival. */
export function findCallViolations(
  job: TrackedJob,
  attempt: number,
  ledger: readonly SubmissionEntity[],
): string[] {
  if (job.isDeleted) return [];
  const [before, present] = [ledger[attempt - 2]?.outcome, ledger[attempt - 1]?.outcome];
  const wrong = present === 'CALLING' ? [] : ['a call was made whose attempt was not committed'];
  if (before && before !== 'NOT_EXECUTED' && job.retriesSinceCall === 0)
    wrong.push(`a call was made by itself after one that is ${before}`);
  return wrong;
}

/** The attempt in the photo URLs. */
export function attemptIn({ photoUrls }: PaidCall): number | null {
  const match = /\/(\d+)\/[^/]+$/.exec(photoUrls[0] ?? '');
  return match && Number(match[1]);
}

let picture: Promise<Buffer> | undefined;

/** A small picture, or a download that fails. */
export async function fetchPicture(url: string): Promise<Download> {
  if (url.includes('broken')) throw new DownloadError('TOO_LARGE', 'The picture is too large.');
  picture ??= sharp({ create: { width: 64, height: 64, channels: 3, background: '#357' } })
    .png()
    .toBuffer();
  const bytes = await picture;
  return {
    contentType: 'image/png',
    bytes: (async function* () {
      yield await Promise.resolve(bytes);
    })(),
  };
}
