import type { DueQuery } from '../core/due';
import { levelOf } from '../core/outage';
import { claimProbe, finishProbe, probeDue, type ProbeResult } from '../upstream/account-pause.repository';
import type { PauseReason } from '../upstream/account.entity';
import type { AccountCheck, UpstreamError } from '../upstream/provider';
import type { JobContext } from './job-context';

/** A job fails after this many refusals without a reason, as long as nothing indicates that the account is refused. */
const maxForbiddenTries = 3;

/** The time to store the result of a check before another process makes the check, in milliseconds. */
const storingMs = 50_000;

/** Pauses submissions while the upstream refuses the account, and resumes them when it accepts it again. */
export class UpstreamAccountWork {
  constructor(
    private readonly deps: Pick<
      JobContext,
      'database' | 'provider' | 'budget' | 'logger' | 'probeIntervalMs' | 'pollTimeoutMs' | 'onResume'
    >,
  ) {}

  /** When the next check of the account is due. */
  get due(): DueQuery {
    return probeDue(this.deps.provider.account);
  }

  /** Checks the account if it is paused and the check is due. */
  async probe(signal: AbortSignal): Promise<void> {
    const { database, provider, budget, probeIntervalMs: intervalMs, pollTimeoutMs, logger } = this.deps;
    await budget.open();
    const probe = await claimProbe(database, provider.account, pollTimeoutMs + storingMs);
    if (!probe) return;
    const { reason } = probe;
    const check = await provider.checkAccount(signal);
    if (signal.aborted) return;
    const checked = resultOf(reason, check);
    // The balance comes from a separate service: a wrong answer must not keep submissions paused indefinitely.
    const result = checked === 'REFUSED' && probe.isAtMaxInterval ? 'UNKNOWN' : checked;
    logger.info({ reason, ...check, result }, 'the paused account was checked');
    await finishProbe(database, provider.account, reason, { result, intervalMs });
    if (result !== 'REFUSED') this.deps.onResume();
  }

  /**
   * Handles a refused call: pauses submissions if the refusal concerns the account. Does not throw: while the
   * database is unavailable the job waits, and the next refusal pauses submissions.
   * @param tries - how often the job was requeued before
   * @returns whether the job must wait for the account instead of failing
   */
  async refused(error: UpstreamError, tries: number): Promise<boolean> {
    const { budget, logger, provider } = this.deps;
    const reason = reasonOf(error);
    if (reason === null) return false;
    const isUnclear = error.refusal === 'FORBIDDEN';
    const effect = await budget.pauseSubmissions(reason, { isUnclear }).catch((cause: unknown) => {
      logger[levelOf(cause, 'warn')]({ err: cause }, 'the pause of submissions could not be stored');
      return 'STILL_PAUSED' as const;
    });
    const details = { provider: provider.name, account: provider.account, reason, status: error.status };
    if (effect === 'PAUSED')
      logger.error(details, 'the upstream refuses the account: submissions are paused');
    return effect !== 'JOB_REFUSED' && !(isUnclear && tries + 1 >= maxForbiddenTries);
  }

  /** Handles a paid call that did not end with a refusal of the account. */
  async answered(isAccepted: boolean): Promise<void> {
    const isResumed = await this.deps.budget.endTrial(isAccepted);
    if (!isResumed) return;
    this.deps.logger.warn({ provider: this.deps.provider.name }, 'submissions have resumed');
    this.deps.onResume();
  }
}

function reasonOf({ refusal }: UpstreamError): Exclude<PauseReason, 'OPERATOR'> | null {
  switch (refusal) {
    case 'UPSTREAM_AUTH':
    case 'UPSTREAM_CREDITS':
      return refusal;
    case 'FORBIDDEN':
      return 'UPSTREAM_AUTH';
    default:
      return null;
  }
}

/** A check keeps the account paused only if it confirms the same reason. */
function resultOf(reason: PauseReason, { acceptsKey, credits }: AccountCheck): ProbeResult {
  if (reason === 'UPSTREAM_AUTH') {
    if (acceptsKey === null) return 'UNKNOWN';
    return acceptsKey ? 'GOOD' : 'REFUSED';
  }
  if (credits === null) return 'UNKNOWN';
  return credits > 0 ? 'GOOD' : 'REFUSED';
}
