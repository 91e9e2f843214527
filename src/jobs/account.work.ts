import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';
import { claimProbe, finishProbe, type ProbeResult } from '../upstream/account-pause';
import type { PauseReason } from '../upstream/account.entity';
import type { UpstreamBudget } from '../upstream/budget';
import type { AccountCheck, AvatarProvider, UpstreamError } from '../upstream/provider';

/** Dependencies of {@link AccountWork}. */
export interface AccountWorkDeps {
  sql: Sql;
  provider: AvatarProvider;
  budget: UpstreamBudget;
  logger: Logger;
  /** Until a paused account is checked for the first time, in milliseconds. */
  probeIntervalMs: number;
  /** Called when submissions can be made again. */
  onResume: () => void;
}

/** A job that is refused this often without words, while nothing shows whether the account is good, fails. */
const maxForbiddenTries = 3;

/** Pauses submissions while the upstream refuses the account, and resumes them when it accepts it again. */
export class AccountWork {
  constructor(private readonly deps: AccountWorkDeps) {}

  /** Checks the account if it is paused and the check is due. */
  async probe(signal: AbortSignal): Promise<void> {
    const { sql, provider, budget, probeIntervalMs: intervalMs, logger } = this.deps;
    await budget.open();
    const probe = await claimProbe(sql, provider.account);
    if (!probe) return;
    const { reason } = probe;
    const check = await provider.checkAccount(signal);
    if (signal.aborted) return;
    const shown = resultOf(reason, check);
    // The balance is another service's: it must not keep submissions paused for ever by a wrong answer.
    const result = shown === 'REFUSED' && probe.isAtMaxInterval ? 'UNKNOWN' : shown;
    logger.info({ reason, ...check, result }, 'the paused account was checked');
    await finishProbe(sql, provider.account, reason, { result, intervalMs });
    if (result !== 'REFUSED') this.deps.onResume();
  }

  /**
   * A call was refused: pauses submissions if that concerns the account. Does not throw: while the database is away the
   * job waits, and the next refusal pauses them.
   * @param tries - how often the job was put back before
   * @returns whether the job must wait for the account instead of failing
   */
  async refused(error: UpstreamError, tries: number): Promise<boolean> {
    const { budget, logger, provider } = this.deps;
    const reason = reasonOf(error);
    if (reason === null) return false;
    const isUnclear = error.refusal === 'FORBIDDEN';
    const effect = await budget.pauseSubmissions(reason, { isUnclear }).catch((cause: unknown) => {
      logger.warn({ err: cause }, 'the pause of submissions could not be written');
      return 'STILL_PAUSED' as const;
    });
    const details = { provider: provider.name, account: provider.account, reason, status: error.status };
    if (effect === 'PAUSED')
      logger.error(details, 'the upstream refuses the account: submissions are paused');
    return effect !== 'JOB_REFUSED' && !(isUnclear && tries + 1 >= maxForbiddenTries);
  }

  /** A paid call ended otherwise than by a refusal of the account. */
  async answered(isAccepted: boolean): Promise<void> {
    const isResumed = await this.deps.budget.endTrial(isAccepted);
    if (!isResumed) return;
    this.deps.logger.warn({ provider: this.deps.provider.name }, 'submissions are resumed');
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

/** A check keeps the account paused only if it confirms the very reason. */
function resultOf(reason: PauseReason, { acceptsKey, credits }: AccountCheck): ProbeResult {
  if (reason === 'UPSTREAM_AUTH') {
    if (acceptsKey === null) return 'UNKNOWN';
    return acceptsKey ? 'GOOD' : 'REFUSED';
  }
  if (credits === null) return 'UNKNOWN';
  return credits > 0 ? 'GOOD' : 'REFUSED';
}
