/** The media types of responses: plain JSON, and the type of the GraphQL over HTTP specification. */
export const mediaTypes = {
  json: 'application/json; charset=utf-8',
  graphql: 'application/graphql-response+json; charset=utf-8',
} as const;

/** One of {@link mediaTypes}. */
export type MediaType = (typeof mediaTypes)[keyof typeof mediaTypes];

interface Range {
  readonly type: string;
  readonly quality: number;
  readonly position: number;
}

/**
 * The media type for an Accept header: the one with the highest quality, of equals the one listed first. JSON if the
 * header is missing; null if it accepts neither.
 */
export function negotiate(accept: string | undefined): MediaType | null {
  if (accept === undefined || accept.trim() === '') return mediaTypes.json;
  const ranges = accept.split(',').map(readRange);
  const offers = Object.values(mediaTypes).flatMap((mediaType) => {
    const range = best(ranges, mediaType.split(';')[0]!);
    return range && range.quality > 0 ? [{ mediaType, range }] : [];
  });
  offers.sort(
    (one, other) => other.range.quality - one.range.quality || one.range.position - other.range.position,
  );
  return offers[0]?.mediaType ?? null;
}

/** Whether the header names the type itself, not only `*`. A foreign page cannot cause that with an HTML element. */
export function names(accept: string | undefined, type: string): boolean {
  return (accept ?? '').split(',').some((range, position) => readRange(range, position).type === type);
}

function readRange(text: string, position: number): Range {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const quality = parameters.find((parameter) => parameter.startsWith('q='));
  return { type, quality: quality ? Number(quality.slice(2)) || 0 : 1, position };
}

/** The most specific range that matches the type. */
function best(ranges: readonly Range[], type: string): Range | undefined {
  const accepted = [type, `${type.split('/')[0]!}/*`, '*/*'];
  return accepted.flatMap((name) => ranges.filter((range) => range.type === name))[0];
}
