import { computedWith, type ObjectSource } from '../reads/source';
import { spentJson, type SpentPeriods } from './ledger-entry.repository';
import { reservedTodayJson, type ReservedDay } from './quota.repository';
import type { QuotaService } from './quota.service';

/**
 * What the viewer is read from.
 * @param unfinishedOf - SQL of the number of unfinished jobs of an owner, whose SQL is given
 */
export function viewerSource(
  { limits, spending }: Pick<QuotaService, 'limits' | 'spending'>,
  unfinishedOf: (owner: string) => string,
): ObjectSource {
  const scopes = computedWith<{ scopes: string[] }, object, never>(
    { scopes: (sql) => sql.scopes() },
    [],
    (row) => row.scopes,
  );
  return {
    kind: 'object',
    fields: {
      owner: computedWith<{ owner: string }, object, never>(
        { owner: (sql) => sql.owner },
        [],
        ({ owner }) => owner,
      ),
      grantedScopes: scopes,
      scopes,
      usage: computedWith<{ today: ReservedDay; running: number; spent: SpentPeriods | null }, object, never>(
        {
          today: (sql) => reservedTodayJson(sql.owner),
          running: (sql) => unfinishedOf(sql.owner),
          spent: (sql) => (spending.isPriced ? spentJson(sql.owner, `'${spending.currency}'`) : 'NULL::json'),
        },
        [],
        ({ today, running, spent }) => ({
          ...spending.usageOf(spent),
          trainingsToday: today.trainings,
          avatarsToday: today.avatars,
          running,
          resetsAt: today.resetsAt,
        }),
      ),
      limits: computedWith<object, object, never>({}, [], () => ({ ...limits, ...spending.limits })),
    },
  };
}
