import { DomainError } from '../core/errors';
import { isOutdatedPlan } from './prepared-statements';

const maxRuns = 4;

/**
 * Runs a transaction, which may be a single statement. If it was rolled back because of concurrent changes it is repeated a few
 * times: after a serialization failure, a deadlock, or a migration of its columns.
 */
export async function repeated<Result>(transaction: () => Promise<Result>): Promise<Result> {
  for (let run = 1; ; run += 1) {
    try {
      return await transaction();
    } catch (error) {
      if (run === maxRuns || !(lostRace(error) || isOutdatedPlan(error))) throw error;
    }
  }
}

/** 40001: could not be serialised; 40P01: chosen as the victim of a deadlock. */
function lostRace(error: unknown): boolean {
  const code =
    error instanceof DomainError ? (error.cause as { code?: unknown } | undefined)?.code : undefined;
  return code === '40001' || code === '40P01';
}
