// Tables for the terminal, and the result as JSON.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchFolder } from './processes.mjs';

/** Servers gave different answers, so that their speed cannot be compared. */
export class AnswersDiffer extends Error {}

/** The middle value; the mean of both if there are two. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

/** The value at a share from 0 to 1 of a list in any order. */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** Prints rows with the same fields as a table. */
export function printTable(title, rows) {
  const names = Object.keys(rows[0]);
  const cells = [names, ...rows.map((row) => names.map((name) => format(row[name])))];
  const widths = names.map((_, index) => Math.max(...cells.map((line) => line[index].length)));
  console.log(`\n${title}`);
  for (const line of cells) {
    const padded = line.map((cell, index) =>
      typeof rows[0][names[index]] === 'string' ? cell.padEnd(widths[index]) : cell.padStart(widths[index]),
    );
    console.log(`  ${padded.join('  ')}`);
  }
}

function format(value) {
  if (typeof value !== 'number') return String(value ?? '-');
  if (Number.isNaN(value)) return '-';
  if (Number.isInteger(value) || Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** Writes the result of a run. @returns the file's name */
export function writeResult(result) {
  const folder = join(benchFolder, 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${result.startedAt.replace(/[:.]/g, '-')}.json`);
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  return file;
}
