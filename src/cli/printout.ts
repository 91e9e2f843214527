/** The value of a table cell. */
export type Cell = string | number | boolean | Date | null | readonly string[];

/** Formats a table with one line per row. */
export function tableOf(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const lines = [columns.map(heading), ...rows.map((row) => row.map(textOf))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]!.length)));
  return lines
    .map((line) =>
      line
        .map((text, index) => text.padEnd(widths[index]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `photoCount` becomes `PHOTO COUNT`. */
function heading(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter}`).toUpperCase();
}

/** Formats names and values, one pair per line. */
export function listOf(facts: Readonly<Record<string, Cell>>): string {
  const width = Math.max(...Object.keys(facts).map((name) => name.length));
  return Object.entries(facts)
    .map(([name, value]) => `${name.padEnd(width)}  ${textOf(value)}`)
    .join('\n');
}

/** Formats JSON. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

/** Prints the state of an object that a command has changed. */
export function printState(
  shell: { print(text: string): void },
  state: { id: string; status: string },
  { json = false }: { json?: boolean },
): void {
  shell.print(json ? jsonOf(state) : `${state.id} is ${state.status}.`);
}

/** Formats a duration with at most two units: `2 d 3 h`, `45 s`. */
export function spanOf(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ] as const;
  const first = units.findIndex(([, size]) => ms >= size);
  if (first < 0) return '0 s';
  const [name, size] = units[first]!;
  const rest = units[first + 1];
  const more = rest ? Math.floor((ms % size) / rest[1]) : 0;
  return `${Math.floor(ms / size)} ${name}${more > 0 ? ` ${more} ${rest![0]}` : ''}`;
}

function textOf(cell: Cell): string {
  if (cell === null) return '-';
  if (cell instanceof Date) return cell.toISOString().slice(0, 19).replace('T', ' ');
  return printable(Array.isArray(cell) ? cell.join(' ') : String(cell));
}

/** Escapes control characters of untrusted text for a terminal. */
export function printable(text: string): string {
  return text.replace(
    /\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
