import { readAmount } from '../core/money';

/** The kinds of work that have a price. */
export const pricedWorks = ['training', 'generation', 'instant'] as const;

/** One of {@link pricedWorks}; `instant` is a generation without training. */
export type PricedWork = (typeof pricedWorks)[number];

/** What is paid for with one attempt of a job. */
export interface WorkSize {
  readonly work: PricedWork;
  /** The photos of a training, the avatars of a generation. */
  readonly units: number;
}

/** A price, in millionths of the currency. */
export interface Price {
  readonly base: bigint;
  /** For each unit of {@link WorkSize}. */
  readonly perUnit: bigint;
}

/** The prices of one avatar service. */
export type ProviderPrices = Readonly<Record<PricedWork, Price>>;

/** The prices of avatar services, by their names. */
export type Prices = Readonly<Record<string, ProviderPrices>>;

/** The price of one attempt, in millionths of the currency. */
export function priceOf(prices: ProviderPrices, { work, units }: WorkSize): bigint {
  const { base, perUnit } = prices[work];
  return base + perUnit * BigInt(units);
}

const unitNames: Readonly<Record<PricedWork, string>> = {
  training: 'photo',
  generation: 'avatar',
  instant: 'avatar',
};

/**
 * Reads prices such as `picsart.training=2.50+0.05/photo,picsart.generation=0.02/avatar,picsart.instant=0.03/avatar`.
 * @returns undefined unless each avatar service has one price for each kind of work
 */
export function readPrices(text: string): Prices | undefined {
  const works = text.split(',').map((item) => readWork(item.trim()));
  const prices: Record<string, ProviderPrices> = {};
  for (const provider of new Set(works.map((work) => work?.provider))) {
    const of = works.filter((work) => work?.provider === provider);
    const entries = of.flatMap((work) => (work ? [[work.name, work.price] as const] : []));
    const isWhole = pricedWorks.every((name) => entries.filter(([given]) => given === name).length === 1);
    if (provider === undefined || !isWhole) return undefined;
    prices[provider] = Object.fromEntries(entries) as ProviderPrices;
  }
  return prices;
}

/** Reads `picsart.training=2.50`. */
function readWork(text: string): { provider: string; name: string; price: Price } | undefined {
  const [, provider = '', name = '', terms = ''] = itemPattern.exec(text) ?? [];
  const price = name === '' ? undefined : readPrice(terms, unitNames[name as PricedWork]);
  return price && { provider, name, price };
}

const itemPattern = /^([a-z][a-z0-9-]*)\.(training|generation|instant)=(\S+)$/;

/** Reads `2.50`, `0.02/avatar` or `2.50+0.05/photo`. */
function readPrice(text: string, unit: string): Price | undefined {
  const terms = text.split('+');
  const [last = ''] = terms.slice(-1);
  const perUnit = last.endsWith(`/${unit}`) ? readAmount(last.slice(0, -unit.length - 1)) : 0n;
  const others = last.endsWith(`/${unit}`) ? terms.slice(0, -1) : terms;
  const base = others.length === 0 ? 0n : readAmount(others[0]!);
  if (others.length > 1 || base === undefined || perUnit === undefined) return undefined;
  return { base, perUnit };
}
