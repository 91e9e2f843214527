/** An amount of money as clients receive it. */
export interface Money {
  /** An exact decimal number. */
  readonly amount: string;
  readonly currency: string;
}

/** Amounts are whole numbers of millionths of a unit of the currency. */
const fractionDigits = 6;

/** The greatest amount that can be read, in units; multiplied by 1,000 it is below 2 ** 53 millionths. */
const maxUnits = 1_000_000n;

/** Reads an exact decimal number such as `0.0125`, in millionths; undefined for any other text, and if it is too great. */
export function readAmount(text: string): bigint | undefined {
  const match = /^(\d{1,7})(?:\.(\d{1,6}))?$/.exec(text);
  if (!match) return undefined;
  const units = BigInt(match[1]!);
  const amount = BigInt(`${units}${(match[2] ?? '').padEnd(fractionDigits, '0')}`);
  return units < maxUnits || amount === maxUnits * 10n ** BigInt(fractionDigits) ? amount : undefined;
}

/** The decimal number of an amount in millionths, which is not negative, without trailing zeros. */
export function amountText(amount: bigint): string {
  const digits = String(amount).padStart(fractionDigits + 1, '0');
  const fraction = digits.slice(-fractionDigits).replace(/0+$/, '');
  return `${digits.slice(0, -fractionDigits)}${fraction && `.${fraction}`}`;
}
