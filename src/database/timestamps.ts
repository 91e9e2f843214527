import { types } from 'pg';

type Parser = (text: string) => unknown;

/** The types of `pg` know a part of PostgreSQL's types. */
const parserOf = types.getTypeParser as (type: number, format: 'text' | 'binary') => Parser;

const timestamptz: number = types.builtins.TIMESTAMPTZ;
const parseAny = parserOf(timestamptz, 'text');

/** The parsers of `pg`, with {@link parseTimestamp}. */
export const typeParsers = {
  getTypeParser(type: number, format: 'text' | 'binary' = 'text'): Parser {
    if (type === timestamptz && format === 'text') return parseTimestamp;
    return parserOf(type, format);
  },
};

/**
 * Parses a `timestamptz` as `pg` does, in a quarter of the time: rows have up to ten. Other forms than
 * `2026-01-07 12:30:00.123456+00` are left to `pg`: other offsets, years before 1000 or after 9999, `infinity`.
 */
export function parseTimestamp(text: string): unknown {
  if (!isUsual(text)) return parseAny(text);
  const [year, month, day] = [100 * number(text, 0) + number(text, 2), number(text, 5) - 1, number(text, 8)];
  return new Date(
    Date.UTC(year, month, day, number(text, 11), number(text, 14), number(text, 17), milliseconds(text)),
  );
}

function isUsual(text: string): boolean {
  const { length } = text;
  return length >= 22 && length <= 29 && text.endsWith('+00') && text.charAt(4) === '-' && digit(text, 0) > 0;
}

function milliseconds(text: string): number {
  const end = text.length - 3;
  return (
    (end > 20 ? 100 * digit(text, 20) : 0) +
    (end > 21 ? 10 * digit(text, 21) : 0) +
    (end > 22 ? digit(text, 22) : 0)
  );
}

const zero = 48;

function digit(text: string, at: number): number {
  return text.charCodeAt(at) - zero;
}

/** Of two digits. */
function number(text: string, at: number): number {
  return 10 * digit(text, at) + digit(text, at + 1);
}
