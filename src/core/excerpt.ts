/** Maximum length of client or upstream text in an error message, in characters. */
const maxExcerptLength = 200;

/** Shortens a text for an error message or a log: its beginning and end, joined by `…`. */
export function excerpt(text: string, maxLength: number = maxExcerptLength): string {
  if (text.length <= maxLength) return text;
  const tailLength = Math.floor(maxLength / 3);
  return `${text.slice(0, maxLength - tailLength - 1)}…${text.slice(-tailLength)}`;
}
