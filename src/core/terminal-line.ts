/** Fields of a log line that are written before the others. */
const leading: readonly string[] = ['level', 'time', 'msg', 'err'];

const dim = '\u001b[2m';
const reset = '\u001b[0m';
const colours: Readonly<Record<string, string>> = {
  warn: '\u001b[33m',
  error: '\u001b[31m',
  fatal: '\u001b[1;31m',
};

/**
 * Formats a line of the log for a terminal: `12:30:05 INFO  a job was accepted  modelId=0192…`, with the error and its
 * stack, if any, below.
 * @param line - a JSON object
 * @param hasColours - whether to mark levels by ANSI colours
 * @returns the text with a line break
 */
export function terminalLine(line: string, hasColours: boolean): string {
  const { level, time, msg, err, ...facts } = JSON.parse(line) as Record<string, unknown>;
  const paint = (text: string, colour = ''): string =>
    hasColours && colour !== '' ? `${colour}${text}${reset}` : text;
  const name = String(level);
  const label = paint(name.toUpperCase().padEnd(5), colours[name]);
  const details = Object.entries(facts)
    .filter(([key]) => !leading.includes(key))
    .map(([key, value]) => `${key}=${valueText(value)}`)
    .join(' ');
  const clock = new Date(String(time)).toTimeString().slice(0, 8);
  const head = [paint(clock, dim), label, escaped(textOf(msg))].join(' ');
  return `${head}${details === '' ? '' : `  ${paint(details, dim)}`}\n${errorText(err)}`;
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);

function valueText(value: unknown): string {
  const text = textOf(value);
  return /^[^\s"=\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}

function errorText(err: unknown): string {
  if (typeof err !== 'object' || err === null) return '';
  const { stack, message, cause } = err as Record<string, unknown>;
  const text = `${textOf(stack ?? message)}${cause === undefined ? '' : `\ncaused by ${textOf(cause)}`}`;
  return `${escaped(text).replace(/^/gm, '    ')}\n`;
}

/** Replaces control characters except line breaks, which a terminal would obey. */
function escaped(text: string): string {
  return text.replace(/(?!\n)\p{Cc}/gu, '\ufffd');
}
