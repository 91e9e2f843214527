/** How much of a client's or the upstream's text an error may repeat, in characters. */
const maxExcerptLength = 200;

/** A text for an error message or a log: whole, or its beginning and end with `…` between them. */
export function excerpt(text: string, maxLength: number = maxExcerptLength): string {
  if (text.length <= maxLength) return text;
  const tailLength = Math.floor(maxLength / 3);
  return `${text.slice(0, maxLength - tailLength - 1)}…${text.slice(-tailLength)}`;
}
