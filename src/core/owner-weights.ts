/** The maximum weight of an owner. */
export const maxWeight = 100;

/** The form of owners that API keys act for: `@acme/bob` for the user `bob` of the key's owner `acme`. */
const behalfPattern = /^@[^/]*\//;

/**
 * The weights of owners in rounds of work: an owner of weight 3 has three turns where the others have one, and up to three
 * times the share of slots. Owners that are not listed have weight 1.
 */
export class OwnerWeights {
  /** As JSON, for statements: see {@link weightOf}. */
  readonly json: string;

  /** @param weights - whole numbers from 1 to {@link maxWeight}, by owner; `@acme/*` stands for each user of `acme` */
  constructor(private readonly weights: ReadonlyMap<string, number> = new Map()) {
    this.json = JSON.stringify(Object.fromEntries(weights));
  }

  of(owner: string): number {
    if (this.weights.size === 0) return 1;
    const behalf = behalfPattern.exec(owner)?.[0];
    const names = behalf === undefined ? [owner] : [owner, `${behalf}*`];
    return names.map((name) => this.weights.get(name)).find((weight) => weight !== undefined) ?? 1;
  }
}

/** All owners have weight 1. */
export const equalWeights = new OwnerWeights();

/** SQL: the weight of the owner in a column. The parameter is {@link OwnerWeights.json}. */
export function weightOf(owner: string, parameter: string): string {
  return `coalesce((${parameter}::jsonb ->> ${owner})::int,
                   (${parameter}::jsonb ->> (substring(${owner} FROM '^@[^/]*/') || '*'))::int, 1)`;
}

/**
 * Reads weights such as `anna=3,@acme/*=2`.
 * @returns undefined if the text is not valid, or names an owner twice
 */
export function readOwnerWeights(text: string): OwnerWeights | undefined {
  const weights = new Map<string, number>();
  for (const item of text.split(',')) {
    const [, owner, digits] = /^(.+)=([1-9]\d{0,2})$/u.exec(item.trim()) ?? [];
    const weight = Number(digits);
    if (owner === undefined || weight > maxWeight || weights.has(owner.trim())) return undefined;
    weights.set(owner.trim(), weight);
  }
  return new OwnerWeights(weights);
}
