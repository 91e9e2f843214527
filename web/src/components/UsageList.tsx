import { formatMoney } from '../api/formats';
import { type AccountQuery } from '../graphql/operations';
import { UsageMeter } from './UsageMeter';

type Viewer = AccountQuery['viewer'];

/** What has been used, beside the limits. */
export function UsageList({ usage, limits }: Pick<Viewer, 'usage' | 'limits'>): React.JSX.Element {
  const money = [
    ['Spent today', usage.spentToday, limits.spendPerDay],
    ['Spent this month', usage.spentThisMonth, limits.spendPerMonth],
  ] as const;
  return (
    <div className="usage-list">
      <UsageMeter label="Trainings today" used={usage.trainingsToday} limit={limits.trainingsPerDay} />
      <UsageMeter label="Avatars today" used={usage.avatarsToday} limit={limits.avatarsPerDay} />
      <UsageMeter label="In progress" used={usage.running} limit={limits.running} />
      {money.map(
        ([label, spent, limit]) =>
          spent && (
            <UsageMeter
              key={label}
              label={label}
              used={Number(spent.amount)}
              limit={limit && Number(limit.amount)}
              format={(amount) => formatMoney({ amount: String(amount), currency: spent.currency })}
            />
          ),
      )}
    </div>
  );
}
