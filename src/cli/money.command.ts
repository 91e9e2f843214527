import { Command } from 'commander';
import { amountText } from '../core/money';
import { readMoneyByOwner, readMoneyTotals, type MoneyTotals } from './money-listing.repository';
import { jsonOf, tableOf, type Cell } from './printout';
import { CommandError, withDatabase, type Shell } from './shell';

const maxDays = 3_660;
const maxOwners = 1_000;

interface MoneyOptions {
  owner?: string;
  days: string;
  limit: string;
  json?: boolean;
}

/** `likeness money`: shows what owners have reserved, spent and had released. */
export function moneyCommand(shell: Shell): Command {
  return new Command('money')
    .description('show what is reserved now, and was spent and released, in all and by owner')
    .option('--owner <owner>', 'only this owner')
    .option('--days <number>', 'number of days of what was spent and released, including today', '31')
    .option('--limit <number>', 'maximum number of owners, those who have spent most first', '50')
    .option('--json', 'print JSON')
    .action(({ owner, days, limit, json = false }: MoneyOptions) =>
      withDatabase(shell, async ({ database }) => {
        const selection = { owner: owner ?? null, days: wholeNumber('--days', days, maxDays) };
        const count = wholeNumber('--limit', limit, maxOwners);
        const totals = (await readMoneyTotals(database, selection)).map(withAmounts);
        const owners = (await readMoneyByOwner(database, selection, count)).map(withAmounts);
        shell.print(json ? jsonOf({ totals, owners }) : describe(totals, owners));
      }),
    );
}

function wholeNumber(option: string, text: string, max: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > max)
    throw new CommandError(`${option} must be a whole number from 1 to ${max}.`);
  return number;
}

/** With decimal numbers. */
function withAmounts<Totals extends MoneyTotals>(totals: Totals): Totals {
  const { reserved, spent, released } = totals;
  const amounts = Object.entries({ reserved, spent, released }).map(([name, amount]) => [
    name,
    amountText(BigInt(amount)),
  ]);
  return { ...totals, ...(Object.fromEntries(amounts) as Partial<Totals>) };
}

function describe(
  totals: readonly MoneyTotals[],
  owners: readonly (MoneyTotals & { owner: string })[],
): string {
  if (totals.length === 0) return 'No money was reserved, spent or released.';
  const amounts = ({ currency, reserved, spent, released }: MoneyTotals): Cell[] => [
    ...[currency, reserved, spent, released],
  ];
  return tableOf(
    ['owner', 'currency', 'reserved', 'spent', 'released'],
    [
      ...totals.map((total) => ['all', ...amounts(total)]),
      ...owners.map((each) => [each.owner, ...amounts(each)]),
    ],
  );
}
