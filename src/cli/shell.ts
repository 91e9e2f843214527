import type { Viewer } from '../core/viewer';

/** The environment of a command. */
export interface Shell {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Writes results to standard output. */
  print(text: string): void;
  /** Writes messages and errors to standard error. */
  remark(text: string): void;
}

/** An error that is printed to the user as one sentence. */
export class CommandError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
  }
}

/** The operator, acting on data of an owner. */
export function operatorFor(owner: string): Viewer {
  return { owner, scopes: new Set(['read', 'write', 'admin']), actor: 'operator' };
}

/** Parses a duration such as `90d`, `12h` or `30m` to milliseconds. */
export function readDuration(text: string): number {
  const match = /^([1-9]\d{0,5})([smhd])$/.exec(text.trim());
  if (!match) throw new CommandError(`"${text}" is not a duration (examples: 90d, 12h, 30m).`);
  return (
    Number(match[1]) * { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 's' | 'm' | 'h' | 'd']
  );
}
