import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';
import { GraphQLDateTime } from 'graphql-scalars';

/** Maximum length of a URL, in characters. */
const maxUrlLength = 2_048;

/** A URL. Only its syntax is checked here; allowed hosts are checked when it is fetched. */
export const UrlScalar = new GraphQLScalarType<string, string>({
  name: 'URL',
  description: `A URL that starts with http:// or https://, at most ${maxUrlLength} characters long.`,
  specifiedByURL: 'https://url.spec.whatwg.org/',
  serialize: readText,
  parseValue: (value) => readUrl(value),
  parseLiteral: (node) => readUrl(textOf(node), node),
});

/** A point in time: a `Date` internally, a string in the API. */
export const DateTimeScalar = new GraphQLScalarType<Date, string>({
  name: 'DateTime',
  description: 'A point in time in UTC, in ISO 8601 format with milliseconds: `2026-01-31T12:34:56.789Z`.',
  specifiedByURL: 'https://scalars.graphql.org/andimarek/date-time.html',
  serialize: (value) => readDateTime(value).toISOString(),
  parseValue: (value) => readDateTime(value),
  parseLiteral: (node) => readDateTime(textOf(node), node),
});

/** An exact decimal number. Only for results. */
export const DecimalScalar = new GraphQLScalarType<string, string>({
  name: 'Decimal',
  description: 'An exact decimal number as text, for example `"0.0125"`. Never use floating point for money.',
  serialize: readDecimal,
  parseValue: readDecimal,
});

function readDecimal(value: unknown): string {
  if (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value)) return value;
  throw new GraphQLError('A Decimal must be a text like "0.0125".');
}

function textOf(node: ValueNode): string | null {
  return node.kind === Kind.STRING ? node.value : null;
}

function readText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new GraphQLError('URL cannot represent a non-string value.');
}

// The messages do not contain the value, because a URL may carry a signature.
function readUrl(value: unknown, nodes?: ValueNode): string {
  const form = 'like "https://example.com/photo.jpg"';
  if (typeof value !== 'string') throw new GraphQLError(`A URL must be a string, ${form}.`, { nodes });
  if (value.length > maxUrlLength) {
    const message = `A URL must have at most ${maxUrlLength} characters; received ${value.length}.`;
    throw new GraphQLError(message, { nodes });
  }
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) {
    throw new GraphQLError(`A URL must start with http:// or https://, ${form}.`, { nodes });
  }
  return value;
}

const dateTimePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** Events contain times as text, rows as `Date`. */
function readDateTime(value: unknown, nodes?: ValueNode): Date {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value;
  if (typeof value !== 'string' || !dateTimePattern.test(value))
    throw new GraphQLError('A DateTime must have the form "2026-01-31T12:34:56.789Z".', { nodes });
  const time = existing(value);
  if (time) return time;
  throw new GraphQLError(
    'A DateTime must be a time that exists, from the year 0001 on, like "2026-01-31T12:34:56.789Z".',
    { nodes },
  );
}

/** The time; null if a calendar and a clock do not have it, or if its offset moves it out of the years of four digits. */
function existing(text: string): Date | null {
  try {
    const time = GraphQLDateTime.parseValue(text);
    return time.getUTCFullYear() >= 1 && time.getUTCFullYear() <= 9_999 ? time : null;
  } catch {
    return null;
  }
}
