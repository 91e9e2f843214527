import type { Viewer } from '../core/viewer';

/** Where a command was called from. */
export interface Shell {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Standard output: what was asked for, and nothing else. */
  print(text: string): void;
  /** The error output: remarks and complaints. */
  remark(text: string): void;
}

/** What a command refuses, in one sentence for whoever typed it. */
export class CommandError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
  }
}

/** The operator, acting on what belongs to somebody. */
export function operatorFor(owner: string): Viewer {
  return { owner, scopes: new Set(['read', 'write', 'admin']), actor: 'operator' };
}

/** Reads a length of time like `90d`, `12h` or `30m`; in milliseconds. */
export function readDuration(text: string): number {
  const match = /^([1-9]\d{0,5})([smhd])$/.exec(text.trim());
  if (!match) throw new CommandError(`"${text}" is not a duration (examples: 90d, 12h, 30m).`);
  return (
    Number(match[1]) * { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 's' | 'm' | 'h' | 'd']
  );
}
