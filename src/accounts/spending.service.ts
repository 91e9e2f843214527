import { timeText } from '../core/clock';
import { DomainError } from '../core/errors';
import { amountText, type Money } from '../core/money';
import type { Sql } from '../core/sql';
import {
  insertReserved,
  readSpent,
  type MoneyReservation,
  type SpentPeriods,
} from './ledger-entry.repository';
import { priceOf, type ProviderPrices, type WorkSize } from './prices';

/** What an owner may spend, in millionths of the currency; null: unlimited. */
export interface SpendingLimits {
  readonly perDay: bigint | null;
  readonly perMonth: bigint | null;
}

/** An owner's spending. Null without prices. */
export interface SpendingUsage {
  readonly reserved: Money | null;
  readonly spentToday: Money | null;
  readonly spentThisMonth: Money | null;
}

/** What the operator configures. */
export interface SpendingOptions {
  /** Null: work is not priced, and no money is recorded. */
  readonly prices: ProviderPrices | null;
  readonly currency: string;
  readonly limits: SpendingLimits;
}

/** The share of a limit, in percent, from which its owner is notified. */
const nearPercent = 80n;

/** Nothing is priced. */
export const unpriced: SpendingOptions = {
  ...{ prices: null, currency: 'CREDITS' },
  limits: { perDay: null, perMonth: null },
};

/**
 * Prices, and what owners may spend. Money is reserved when an attempt is accepted, at the price of that time. A limit
 * is compared with what was spent in the period and what is reserved at present, so that it cannot be exceeded when
 * reserved money is spent.
 */
export class Spending {
  /** @param notify - sends a message to an owner, once if it is sent again */
  constructor(
    private readonly options: SpendingOptions,
    private readonly notify: (sql: Sql, owner: string, message: string) => Promise<void> = ignore,
  ) {}

  get currency(): string {
    return this.options.currency;
  }

  get isPriced(): boolean {
    return this.options.prices !== null;
  }

  get isLimited(): boolean {
    const { perDay, perMonth } = this.options.limits;
    return perDay !== null || perMonth !== null;
  }

  /** The limits as their owner sees them. */
  get limits(): { spendPerDay: Money | null; spendPerMonth: Money | null } {
    const { perDay, perMonth } = this.options.limits;
    return { spendPerDay: this.moneyOf(perDay), spendPerMonth: this.moneyOf(perMonth) };
  }

  /** The price of an attempt by the configured avatar service, in millionths of the currency; null without prices. */
  costOf(size: WorkSize): bigint | null {
    const { prices } = this.options;
    return prices && priceOf(prices, size);
  }

  moneyOf(amount: bigint): Money;
  moneyOf(amount: bigint | null): Money | null;
  moneyOf(amount: bigint | null): Money | null {
    return amount === null ? null : { amount: amountText(amount), currency: this.currency };
  }

  /**
   * Reserves the cost of an attempt, while the owner's quotas are locked.
   * @throws DomainError QUOTA_EXCEEDED
   */
  async reserve(
    sql: Sql,
    owner: string,
    { cost, ...reservation }: Omit<MoneyReservation, 'amount' | 'currency'> & { cost: bigint },
  ): Promise<void> {
    if (cost === 0n) return;
    if (this.isLimited) await this.checkLimits(sql, owner, cost);
    await insertReserved(sql, owner, { ...reservation, amount: cost, currency: this.currency });
  }

  /** What an owner has spent, from what {@link readSpent} returns; null if it was not read. */
  usageOf(spent: Pick<SpentPeriods, 'reserved' | 'today' | 'month'> | null): SpendingUsage {
    const money = (amount: string | undefined): Money | null =>
      this.moneyOf(amount === undefined ? null : BigInt(amount));
    return {
      reserved: money(spent?.reserved),
      spentToday: money(spent?.today),
      spentThisMonth: money(spent?.month),
    };
  }

  /** What an owner has spent. */
  async usage(sql: Sql, owner: string): Promise<SpendingUsage> {
    return this.usageOf(this.isPriced ? await readSpent(sql, owner, this.currency) : null);
  }

  private async checkLimits(sql: Sql, owner: string, cost: bigint): Promise<void> {
    const limited = this.limitedPeriods(await readSpent(sql, owner, this.currency));
    const exceeded = limited.find(({ limit, used }) => used + cost > limit);
    if (exceeded) throw this.exceeded(exceeded, cost);
    for (const period of limited)
      if ((period.used + cost) * 100n >= period.limit * nearPercent)
        await this.notify(sql, owner, this.nearMessage(period));
  }

  /** The month first: an owner that waits for the next day would be refused again. */
  private limitedPeriods(spent: SpentPeriods): LimitedPeriod[] {
    const { perDay, perMonth } = this.options.limits;
    const reserved = BigInt(spent.reserved);
    const month = { quota: 'SPEND_PER_MONTH', name: 'Monthly', end: spent.monthEndsAt };
    const day = { quota: 'SPEND_PER_DAY', name: 'Daily', end: spent.dayEndsAt };
    return [
      ...(perMonth === null ? [] : [{ ...month, limit: perMonth, used: BigInt(spent.month) + reserved }]),
      ...(perDay === null ? [] : [{ ...day, limit: perDay, used: BigInt(spent.today) + reserved }]),
    ];
  }

  /** The same for each request in a period. */
  private nearMessage({ name, limit, end }: LimitedPeriod): string {
    return (
      `${name} spending limit of ${amountText(limit)} ${this.currency}: ${nearPercent} % or more are spent or reserved. ` +
      `Requests that exceed the limit are refused with QUOTA_EXCEEDED. It resets at ${timeText(end)}.`
    );
  }

  private exceeded({ quota, name, limit, used, end }: LimitedPeriod, cost: bigint): DomainError {
    const { currency } = this;
    const left = limit > used ? limit - used : 0n;
    const details = {
      ...{ quota, limit: amountText(limit), used: amountText(used), asked: amountText(cost) },
      ...{ left: amountText(left), currency, resetsAt: end.toISOString() },
      retryAfterSeconds: Math.max(1, Math.ceil((end.getTime() - Date.now()) / 1_000)),
    };
    const message =
      `${name} spending limit of ${amountText(limit)} ${currency} exceeded: ${amountText(left)} ${currency} left, ` +
      `${amountText(cost)} ${currency} requested. Request less, or retry after ${timeText(end)}. ` +
      'Amounts reserved for unfinished work count; what the avatar service does not accept is released.';
    return new DomainError('QUOTA_EXCEEDED', message, { details });
  }
}

/** A limit, with what counts for it. */
interface LimitedPeriod {
  readonly quota: string;
  readonly name: string;
  readonly limit: bigint;
  readonly used: bigint;
  readonly end: Date;
}

const ignore = (): Promise<void> => Promise.resolve();
