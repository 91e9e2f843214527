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
  constructor(private readonly options: SpendingOptions) {}

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
    if (this.isLimited && cost > 0n) this.check(await readSpent(sql, owner, this.currency), cost);
    if (cost === 0n) return;
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

  private check(spent: SpentPeriods, cost: bigint): void {
    const { perDay, perMonth } = this.options.limits;
    const reserved = BigInt(spent.reserved);
    // The month first: an owner that waits for the next day would be refused again.
    const periods = [
      {
        quota: 'SPEND_PER_MONTH',
        name: 'Monthly',
        limit: perMonth,
        spent: spent.month,
        end: spent.monthEndsAt,
      },
      { quota: 'SPEND_PER_DAY', name: 'Daily', limit: perDay, spent: spent.today, end: spent.dayEndsAt },
    ];
    for (const { quota, name, limit, spent: amount, end } of periods) {
      if (limit === null) continue;
      const used = BigInt(amount) + reserved;
      if (used + cost > limit) throw this.exceeded({ quota, name, limit, used, cost, end });
    }
  }

  private exceeded({ quota, name, limit, used, cost, end }: Excess): DomainError {
    const { currency } = this;
    const left = limit > used ? limit - used : 0n;
    const at = `${end.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
    const details = {
      ...{ quota, limit: amountText(limit), used: amountText(used), asked: amountText(cost) },
      ...{ left: amountText(left), currency, resetsAt: end.toISOString() },
      retryAfterSeconds: Math.max(1, Math.ceil((end.getTime() - Date.now()) / 1_000)),
    };
    const message =
      `${name} spending limit of ${amountText(limit)} ${currency} exceeded: ${amountText(left)} ${currency} left, ` +
      `${amountText(cost)} ${currency} requested. Request less, or retry after ${at}. ` +
      'Amounts reserved for unfinished work count; what the avatar service does not accept is released.';
    return new DomainError('QUOTA_EXCEEDED', message, { details });
  }
}

/** A limit that a request would exceed. */
interface Excess {
  readonly quota: string;
  readonly name: string;
  readonly limit: bigint;
  readonly used: bigint;
  readonly cost: bigint;
  readonly end: Date;
}
