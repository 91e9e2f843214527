import { DomainError } from '../core/errors';

/** Maximum nesting of arrays and objects. Inputs need about five levels; deep nesting overflows recursive functions. */
const maxJsonDepth = 32;

/**
 * Parses untrusted JSON.
 * @throws DomainError INVALID_INPUT if it is malformed or nested too deeply
 */
export function parseJson(text: string): unknown {
  if (nestedDeeper(text, maxJsonDepth)) {
    throw new DomainError('INVALID_INPUT', `The JSON is nested deeper than ${maxJsonDepth} levels.`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new DomainError('INVALID_INPUT', 'Malformed JSON.');
  }
}

/** Whether the value is an object and not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const codes = {
  quote: 34,
  backslash: 92,
  openBracket: 91,
  closeBracket: 93,
  openBrace: 123,
  closeBrace: 125,
};

/** Checked before parsing, because JSON.parse fails on deep nesting. */
function nestedDeeper(text: string, maxDepth: number): boolean {
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === codes.quote) index = endOfText(text, index);
    else if (code === codes.openBracket || code === codes.openBrace) depth += 1;
    else if (code === codes.closeBracket || code === codes.closeBrace) depth -= 1;
    if (depth > maxDepth) return true;
  }
  return false;
}

/** The end index of the string literal that starts at `start`. */
function endOfText(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text.charCodeAt(index) !== codes.quote) {
    index += text.charCodeAt(index) === codes.backslash ? 2 : 1;
  }
  return index;
}
