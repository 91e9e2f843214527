import { createReadStream } from 'node:fs';
import { codeOf } from '../core/errors';
import { LineProblems, RegisterLines, type NumberedLine } from './register-lines';
import { CommandError } from './shell';

/** Maximum length of a line, in bytes: that of a model with some 200,000 avatars. */
const maxLineBytes = 16_000_000;

/** Maximum number of lines of a file, and of their bytes: all of them are in memory until they are imported together. */
const maxLines = 500_000;
const maxBytes = 250_000_000;

const lineBreak = 0x0a;

/**
 * Reads a register in UTF-8, with or without a byte order mark. A line that is too long, and one line too many, end the reading:
 * the file may have no end.
 * @throws CommandError if the file cannot be read or has no model, or naming the problems of all lines
 */
export async function readRegister(file: string): Promise<NumberedLine[]> {
  const problems = new LineProblems();
  const lines = new RegisterLines(problems);
  let number = 0;
  let byteCount = 0;
  try {
    for await (const bytes of linesOf(createReadStream(file))) {
      number += 1;
      if (bytes === null) {
        problems.add(
          number,
          `is longer than ${maxLineBytes} bytes, and what follows was not read. Write one model a line.`,
        );
        break;
      }
      byteCount += bytes.length;
      if (number > maxLines || byteCount > maxBytes) {
        problems.add(
          number,
          `was not read, nor was what follows: a file has at most ${maxLines} lines and ${maxBytes} bytes. Split it, and import the parts one after the other.`,
        );
        break;
      }
      lines.add(number, bytes);
    }
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    throw new CommandError(`${file} cannot be read (${code}).`, { cause: error });
  }
  problems.throwIfAny();
  if (lines.all.length === 0)
    throw new CommandError(
      `${file} has no line with a model, so nothing was imported. Make the file with \`likeness export --out <file>\`.`,
    );
  return lines.all;
}

/** The lines of a file, without their line breaks; null for a line that is too long, of which no more is read than its limit. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer | null> {
  let parts: Buffer[] = [];
  let length = 0;
  const add = (part: Buffer): void => {
    length += part.length;
    if (length > maxLineBytes) parts = [];
    else parts.push(part);
  };
  const take = (): Buffer | null => {
    const line = length > maxLineBytes ? null : Buffer.concat(parts);
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(lineBreak); end >= 0; end = chunk.indexOf(lineBreak, start)) {
      add(chunk.subarray(start, end));
      yield take();
      start = end + 1;
    }
    add(chunk.subarray(start));
    if (length > maxLineBytes) break;
  }
  yield take();
}
