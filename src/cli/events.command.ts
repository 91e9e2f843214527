import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import { readEvents, type EventFacts } from './event-listing.repository';
import { readLifetime, withDatabase, type Shell } from './shell';

interface TailOptions {
  owner?: string;
  since: string;
  follow?: boolean;
  json?: boolean;
}

/** How often new events are read, in milliseconds. */
const intervalMs = 1_000;
/** Transactions that commit later than others have older times: so far back events are read again. */
const overlapMs = 10_000;

/** `likeness events tail`: prints the events of all owners. */
export function eventsCommand(shell: Shell): Command {
  const events = new Command('events').description('events of models, generations and avatars: tail');
  events
    .command('tail')
    .description('print events of all owners, oldest first: one per line, without names and prompts')
    .option('--owner <owner>', 'only events of this owner')
    .option('--since <duration>', 'events of this time', '10m')
    .option('--follow', 'wait for further events until Ctrl-C')
    .option('--json', 'print a JSON object per line')
    .action((options: TailOptions) => tail(shell, options));
  return events;
}

function tail(shell: Shell, { owner, since, follow = false, json = false }: TailOptions): Promise<void> {
  const sinceMs = readLifetime(since);
  return withDatabase(shell, async ({ database }) => {
    const { ended, release } = endOfCommand();
    let printed = new Set<string>();
    try {
      for (let reachMs = sinceMs; ; reachMs = overlapMs) {
        const found = await readEvents(database, { owner: owner ?? null, sinceMs: reachMs });
        const fresh = found.filter(({ key }) => !printed.has(key));
        for (const { key, ...event } of fresh)
          shell.print(json ? JSON.stringify({ key, ...event }) : lineOf(event));
        printed = new Set(found.map(({ key }) => key));
        if (!follow || ended.aborted) return;
        await pause(intervalMs, undefined, { signal: ended }).catch(() => undefined);
      }
    } finally {
      release();
    }
  });
}

/** Aborted by Ctrl-C and the like, and by SIGPIPE: the output has no reader. */
function endOfCommand(): { ended: AbortSignal; release: () => void } {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  const signals = ['SIGINT', 'SIGTERM', 'SIGPIPE'] as const;
  for (const signal of signals) process.once(signal, onSignal);
  const release = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  return { ended: stop.signal, release };
}

function lineOf({ at, owner, kind, id, status, progress, failureCode }: Omit<EventFacts, 'key'>): string {
  const state = [status, progress === null ? null : `${progress} %`, failureCode];
  const facts = [at.toISOString(), owner ?? '-', kind, id, ...state.filter((fact) => fact !== null)];
  return facts.join('  ');
}
