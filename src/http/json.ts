import { DomainError } from '../core/errors';

/** Arrays and objects within each other. Inputs need five levels or so; deeper ones overflow what walks them. */
const maxJsonDepth = 32;

/**
 * Reads JSON from outside.
 * @throws DomainError INVALID_INPUT if it is none, or is nested too deep
 */
export function parseJson(text: string): unknown {
  if (nestedDeeper(text, maxJsonDepth)) {
    throw new DomainError('INVALID_INPUT', `The JSON is nested deeper than ${maxJsonDepth} levels.`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new DomainError('INVALID_INPUT', 'This is no JSON.');
  }
}

/** Whether the value is an object with keys, and no array. */
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

/** Looked at before parsing, since parsing is what deep nesting would break. */
function nestedDeeper(text: string, most: number): boolean {
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === codes.quote) index = endOfText(text, index);
    else if (code === codes.openBracket || code === codes.openBrace) depth += 1;
    else if (code === codes.closeBracket || code === codes.closeBrace) depth -= 1;
    if (depth > most) return true;
  }
  return false;
}

/** Where the quoted text that begins at `start` ends. */
function endOfText(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text.charCodeAt(index) !== codes.quote) {
    index += text.charCodeAt(index) === codes.backslash ? 2 : 1;
  }
  return index;
}
