import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';

/** The longest web address that is taken, in characters. */
const maxUrlLength = 2_048;

/** A web address. Which hosts may be fetched is decided where it is fetched; here only its form is checked. */
export const UrlScalar = new GraphQLScalarType<string, string>({
  name: 'URL',
  description: `A web address that starts with http:// or https://, at most ${maxUrlLength} characters long.`,
  specifiedByURL: 'https://url.spec.whatwg.org/',
  serialize: readText,
  parseValue: (value) => readUrl(value),
  parseLiteral: (node) => readUrl(textOf(node), node),
});

/** A moment; `Date` within, text outside. */
export const DateTimeScalar = new GraphQLScalarType<Date, string>({
  name: 'DateTime',
  description: 'A moment in UTC, written as ISO 8601 with milliseconds: `2026-01-31T12:34:56.789Z`.',
  specifiedByURL: 'https://scalars.graphql.org/andimarek/date-time.html',
  serialize: (value) => readMoment(value).toISOString(),
  parseValue: (value) => readMoment(value),
  parseLiteral: (node) => readMoment(textOf(node), node),
});

function textOf(node: ValueNode): string | null {
  return node.kind === Kind.STRING ? node.value : null;
}

function readText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new GraphQLError('URL cannot represent what is no text.');
}

// The messages do not repeat what was given: an address may carry a signature.
function readUrl(value: unknown, nodes?: ValueNode): string {
  const form = 'like "https://example.com/photo.jpg"';
  if (typeof value !== 'string') throw new GraphQLError(`A URL is text, ${form}.`, { nodes });
  if (value.length > maxUrlLength) {
    const message = `A URL has at most ${maxUrlLength} characters; this one has ${value.length}.`;
    throw new GraphQLError(message, { nodes });
  }
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) {
    throw new GraphQLError(`A URL starts with http:// or https://, ${form}.`, { nodes });
  }
  return value;
}

const moment = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** Events carry moments as text, rows as `Date`. */
function readMoment(value: unknown, nodes?: ValueNode): Date {
  const date = typeof value === 'string' && moment.test(value) ? new Date(value) : value;
  if (date instanceof Date && !Number.isNaN(date.getTime())) return date;
  throw new GraphQLError('A DateTime is written like "2026-01-31T12:34:56.789Z".', { nodes });
}
