import { pause } from '../core/clock';
import { DomainError } from '../core/errors';
import { isOutdatedPlan } from './prepared-statements';

const maxRuns = 10;

/** The longest pause after the first conflict, and after any, in milliseconds. */
const maxPauseMs = { first: 10, any: 500 } as const;

/**
 * Runs a transaction, which may be a single statement. If it was rolled back because of concurrent changes it is repeated, for
 * about a second: after a serialization failure, a deadlock, or a migration of its columns. Engines and isolation levels that
 * let nothing wait for a row report every concurrent change so; random pauses let one after the other succeed.
 */
export async function repeated<Result>(transaction: () => Promise<Result>): Promise<Result> {
  for (let run = 1; ; run += 1) {
    try {
      return await transaction();
    } catch (error) {
      if (run === maxRuns || !(lostRace(error) || isOutdatedPlan(error))) throw error;
    }
    await pause(Math.random() * Math.min(maxPauseMs.any, maxPauseMs.first * 2 ** (run - 1)));
  }
}

/** 40001: could not be serialised; 40P01: chosen as the victim of a deadlock. */
function lostRace(error: unknown): boolean {
  const code =
    error instanceof DomainError ? (error.cause as { code?: unknown } | undefined)?.code : undefined;
  return code === '40001' || code === '40P01';
}
